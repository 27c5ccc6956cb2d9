"""The peer's own virtual environment, made once under `.cache/peers`."""

import subprocess
import sys
from pathlib import Path

from benchmarks.task import ROOT

PINNED = Path(__file__).with_name("trl.txt")
FOLDER = ROOT / ".cache" / "peers" / "trl"


def make_environment() -> Path:
    """Install the pinned packages unless they are there; return the Python to run them with.

    torch comes first and alone, so that no other package's range decides its build.
    """
    python, stamp = FOLDER / "bin" / "python", FOLDER / "installed.txt"
    pinned = PINNED.read_text("utf-8")
    if stamp.is_file() and stamp.read_text("utf-8") == pinned:
        return python
    print("· creating the peer's environment (some minutes, 1.5 GB)", flush=True)
    torch = next(line for line in pinned.splitlines() if line.startswith("torch=="))
    _run(sys.executable, "-m", "venv", str(FOLDER))
    _run(str(python), "-m", "pip", "install", "--quiet", torch)
    _run(str(python), "-m", "pip", "install", "--quiet", "-r", str(PINNED))
    stamp.write_text(pinned, "utf-8")
    return python


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
