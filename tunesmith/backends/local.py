"""Jobs as processes of this machine."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunesmith.backends.protocol import LOG, Ended, Execution
from tunesmith.jobs.folder import evict
from tunesmith.store.claims import Room

# What a job may know of the environment. Everything else, above all secrets of the service, stays
# out: a job reads other people's data.
_PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH",
    "CUDA_VISIBLE_DEVICES", "HF_HOME", "HF_ENDPOINT", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE", "GOMP_SPINCOUNT",
    "TUNESMITH_FAILPOINT",
)  # fmt: skip
_STACK_BYTES = 600_000_000  # 40 threads, measured: 8 MB of stack and a share of the heap for each


@dataclass(frozen=True)
class LocalBackend:
    """Each job in a process group of its own, with a limit on its memory.

    Attributes:
        pass_on: further variables of the environment that jobs may see.
    """

    pass_on: Sequence[str] = ()

    def start(self, folder: Path, *, room: Room) -> Execution:
        """Start the job of `folder`, tethered to this process: if this one dies, it dies."""
        process = self._start("tunesmith.jobs.run", folder, room)
        # Data that is written to, not address space: mapped weights and thread stacks do not count.
        limit = room.memory_bytes
        with contextlib.suppress(ProcessLookupError):  # it may have ended already
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (limit, limit))
        return _LocalExecution(process)

    def start_engine(self, folder: Path, *, room: Room) -> Execution:
        """Start the engine of `folder`, tethered likewise."""
        execution = _LocalExecution(self._start("tunesmith.jobs.serve", folder, room))
        execution.allow(room.memory_bytes)
        return execution

    def _start(self, module: str, folder: Path, room: Room) -> subprocess.Popen[bytes]:
        evict(folder)
        with (folder / LOG).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, str(folder), "--tethered"],
                stdin=subprocess.PIPE,  # the tether: it is closed when this process dies
                stdout=log,
                stderr=log,
                cwd=folder,
                env=self._environment(room),
                start_new_session=True,
            )

    def _environment(self, room: Room) -> dict[str, str]:
        names = (*_PASSED_ON, *self.pass_on)
        passed = {name: os.environ[name] for name in names if name in os.environ}
        return {**passed, "OMP_NUM_THREADS": str(max(1, room.num_cores))}


class _LocalExecution:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ended(self) -> Ended | None:
        code = self._process.poll()
        return None if code is None else Ended(code)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def allow(self, memory_bytes: int) -> None:
        # Engines answer each request in threads, whose stacks are counted although hardly used.
        limit = memory_bytes + _STACK_BYTES
        with contextlib.suppress(ProcessLookupError):
            _, hard = resource.prlimit(self._process.pid, resource.RLIMIT_DATA)
            resource.prlimit(self._process.pid, resource.RLIMIT_DATA, (limit, hard))

    def kill(self) -> None:
        # The group outlives its leader if the leader left children behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
