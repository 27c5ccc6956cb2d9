"""What is found out about a dataset once: by one of those who ask, and by the next if it dies."""

import subprocess
import sys
import time
from pathlib import Path

_PATIENCE_SECONDS = 60.0

_ASK = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from tunesmith.service.datasets import remembered
from tunesmith.store.home import Home

folder, name = Path(sys.argv[1]), sys.argv[2]

def find_out():
    (folder / f"{name} computes").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return {"by": name}

(folder / f"{name} asks").touch()
print(remembered(Home(folder), SimpleNamespace(id="version"), "reports", find_out)["by"])
"""


def ask(folder: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _ASK, str(folder), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, f"waited for {path}"
        time.sleep(0.01)


def test_of_two_who_ask_at_once_one_computes(tmp_path: Path) -> None:
    first = ask(tmp_path, "first")
    wait_for(tmp_path / "first computes")
    second = ask(tmp_path, "second")
    wait_for(tmp_path / "second asks")
    (tmp_path / "go").touch()
    assert [each.communicate(timeout=_PATIENCE_SECONDS)[0] for each in (first, second)] == [
        "first\n",
        "first\n",
    ]
    assert not (tmp_path / "second computes").exists()


def test_a_killed_computer_blocks_nobody(tmp_path: Path) -> None:
    first = ask(tmp_path, "first")
    wait_for(tmp_path / "first computes")
    second = ask(tmp_path, "second")
    wait_for(tmp_path / "second asks")
    first.kill()
    first.communicate()
    wait_for(tmp_path / "second computes")
    (tmp_path / "go").touch()
    assert second.communicate(timeout=_PATIENCE_SECONDS)[0] == "second\n"
