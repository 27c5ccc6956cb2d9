"""How work ends: on SIGINT and SIGTERM, or with whoever started it."""

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType

from tunesmith.errors import Stopped


class StopNow(BaseException):
    """Raised wherever the work stands when a signal comes.

    Like KeyboardInterrupt it is no Exception, so that nothing that mends errors takes it for one.
    """


class StopSignal:
    """Whether a stop was asked for, and whether it may interrupt what is being done."""

    def __init__(self) -> None:
        self._asked = False
        self._waiting = False  # asked for while deferred, and not raised yet
        self._num_deferring = 0

    def asked(self) -> bool:
        """Whether a signal came."""
        return self._asked

    @contextmanager
    def deferred(self) -> Generator[None]:
        """Within, a signal interrupts nothing; the work asks for it, or `check`s afterwards."""
        self._num_deferring += 1
        try:
            yield
        finally:
            self._num_deferring -= 1

    def check(self) -> None:
        """Raise what was held back.

        Raises:
            StopNow: a signal came while it was deferred, which it no longer is.
        """
        if self._waiting and not self._num_deferring:
            self._waiting = False
            raise StopNow

    def receive(self, signum: int, frame: FrameType | None) -> None:
        """Handle a signal. Only the first counts: a second one must not interrupt the clearing up.

        Raises:
            StopNow: unless deferred.
        """
        if self._asked:
            return
        self._asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C ends it at once
        if self._num_deferring:
            self._waiting = True
        else:
            raise StopNow


@contextmanager
def stop_on_signals() -> Generator[StopSignal]:
    """Within, SIGINT and SIGTERM stop the work. Only for the main thread.

    Raises:
        Stopped: a signal interrupted the work.
    """
    stop = StopSignal()
    before = {
        number: signal.signal(number, stop.receive) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    except StopNow:
        raise Stopped("stopped on request", hint="start it again to go on") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tether() -> None:
    """End this process as soon as whoever holds the other end of standard input is gone.

    A worker that is killed can tell nobody; but the kernel closes its pipes. Work that is ended so
    is taken up again exactly.
    """

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        end_process(os.getpid())

    threading.Thread(target=wait, name="tether", daemon=True).start()


def end_process(pid: int) -> None:
    """SIGKILL to process `pid`, and to its children where it leads a process group of its own."""
    with suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
