"""The one command as a worker starts it: stopped, tethered, hung, out of memory."""

import os
import resource
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tests.conftest import make_tiny_model
from tests.jobs.processes import events, finish, import_job, make_folder, start, wait_for
from tests.training import runs as small
from tunesmith.errors import ResumeRefused
from tunesmith.jobs.folder import LOCK, evict, is_locked, locked, read_outcome
from tunesmith.service import runs
from tunesmith.store.home import Home

World = tuple[Home, Path]

NUM_ROWS = 1_000_000  # ten seconds of importing


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return small.make_home(tmp_path_factory.mktemp("processes"))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for n in range(NUM_ROWS):
            file.write(f'{{"prompt": "what is {n}", "completion": "it is {n}"}}\n')
    return path


def _shorten(rows: Path) -> None:
    """So that the import comes to its end at once when it is started again."""
    rows.write_text('{"prompt": "what is 1", "completion": "it is 1"}\n')


def _training(world: World, **changes: object) -> Path:
    return small.create(world[0], small.recipe(world[1], **changes))


LONG = {"training": {"epochs": 50}, "checkpoint": {"every_steps": 1000}}


def test_sigterm_ends_an_import_at_once_and_leaves_nothing(tmp_path: Path, rows: Path) -> None:
    folder = make_folder(tmp_path / "job", import_job(tmp_path, rows))
    process = start(folder)
    wait_for(lambda: events(folder, "progress"))
    process.terminate()
    code, error = finish(process)
    assert (code, error.count("\n")) == (130, 1)
    *_, last, paused = events(folder)
    assert paused["kind"] == "paused"
    assert last["done"] < NUM_ROWS
    assert list((tmp_path / "datasets").iterdir()) == []
    assert list((tmp_path / "scratch").iterdir()) == []
    _shorten(rows)
    assert finish(start(folder))[0] == 0
    assert read_outcome(folder) is not None


def test_sigterm_stops_a_training_wherever_it_is(world: World) -> None:
    folder = _training(world, **LONG)
    loading = start(folder)
    wait_for(lambda: events(folder, "phase"))
    loading.terminate()
    assert finish(loading)[0] == 130
    assert events(folder)[-1] | {"kind": "paused", "step": None} == events(folder)[-1]

    stepping = start(folder)
    wait_for(lambda: events(folder, "step"))
    stepping.terminate()
    assert finish(stepping)[0] == 130
    *_, checkpoint, paused = events(folder)
    assert (checkpoint["kind"], paused["kind"]) == ("checkpoint", "paused")
    assert checkpoint["step"] == paused["step"] == len(events(folder, "step"))


def test_a_tethered_job_dies_with_its_worker(world: World) -> None:
    """The worker is a process of its own that is killed as `kill -9` does."""
    folder = _training(world, **LONG)
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys\n"
            "job = subprocess.Popen([sys.executable, '-m', 'tunesmith.jobs.run', sys.argv[1],\n"
            "    '--tethered'], stdin=subprocess.PIPE, process_group=0)\n"
            "job.wait()\n",
            str(folder),
        ]
    )
    wait_for(lambda: events(folder, "step"))
    worker.kill()
    worker.wait()
    wait_for(lambda: not is_locked(folder))
    assert events(folder)[-1]["kind"] != "finished"


def test_a_job_that_is_not_tethered_needs_no_standard_input(tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("prompt,completion\na,b\n")
    folder = make_folder(tmp_path / "job", import_job(tmp_path, source))
    assert finish(start(folder, stdin=subprocess.DEVNULL))[0] == 0


def test_a_hanging_process_is_evicted_and_its_job_taken_over(tmp_path: Path, rows: Path) -> None:
    folder = make_folder(tmp_path / "job", import_job(tmp_path, rows))
    hung = start(folder)
    wait_for(lambda: events(folder, "progress"))
    hung.send_signal(signal.SIGSTOP)
    with pytest.raises(ResumeRefused), locked(folder):
        pass
    evict(folder)
    assert not is_locked(folder)
    assert finish(hung)[0] == -signal.SIGKILL
    _shorten(rows)
    assert finish(start(folder))[0] == 0
    evict(folder)  # where nobody is, nobody is harmed


HOLDER = """
import subprocess, sys, time
from pathlib import Path
from tunesmith.jobs.folder import locked
with locked(Path(sys.argv[1])):
    child = subprocess.Popen(["sleep", "600"])
    print(child.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("leads", [True, False], ids=["its own group", "our group"])
def test_evicting_ends_the_children_of_a_group_leader_and_never_us(
    tmp_path: Path, leads: bool
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        process_group=0 if leads else None,
    )
    with holder, holder.stdout:  # pyright: ignore[reportOptionalContextManager]
        child = int(holder.stdout.readline())  # pyright: ignore[reportOptionalMemberAccess]
        assert (tmp_path / LOCK).read_text() == str(holder.pid)
        evict(tmp_path)
        assert holder.wait(timeout=60) == -signal.SIGKILL
        if leads:
            wait_for(lambda: not _is_running(child))
        else:
            assert _is_running(child)
            os.kill(child, signal.SIGKILL)


def _is_running(pid: int) -> bool:
    """Whether there is such a process, and not only its entry that nobody has collected."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_the_pid_of_a_former_holder_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text(str(os.getpid()))
    evict(tmp_path)


def _limit(process: "subprocess.Popen[str]", megabytes: int) -> "subprocess.Popen[str]":
    limit = megabytes << 20
    resource.prlimit(process.pid, resource.RLIMIT_DATA, (limit, limit))
    return process


@pytest.mark.parametrize("megabytes", [420, 700])
def test_a_plan_beyond_the_memory_limit_is_refused(world: World, megabytes: int) -> None:
    """At 700 MB the libraries would begin, and crash now and then."""
    folder = _training(world)
    code, error = finish(_limit(start(folder), megabytes))
    assert code == 2
    [failed] = events(folder, "failed")
    assert (failed["error"], failed["reason"]) == ("NotEnoughMemory", "out_of_memory")
    assert "batch_size" in failed["hint"]
    assert "Traceback" not in error


# What no plan foresees: one that knew would refuse.
_PLAN_NOTHING = """
import runpy
from tunesmith.training import plan
plan.check_resources = lambda plan: None
runpy.run_module("tunesmith.jobs.run", run_name="__main__")
"""


def test_reaching_the_memory_limit_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    """One tensor of a feed-forward layer is larger than the limit, all else far smaller."""
    home, _ = small.make_home(tmp_path)
    wide = make_tiny_model(tmp_path / "wide", intermediate_size=400_000, num_hidden_layers=1)
    folder = small.create(home, small.recipe(wide, training={"batch_size": 20}))
    code, error = finish(_limit(start(folder, program=("-c", _PLAN_NOTHING)), 1200))
    assert code == 1
    [failed] = events(folder, "failed")
    assert (failed["error"], failed["reason"]) == ("OutOfMemory", "out_of_memory")
    assert "batch_size" in failed["hint"]
    assert "Traceback" not in error


def test_what_nobody_foresaw_is_a_defect_whose_traceback_is_in_the_log(world: World) -> None:
    home, base = world
    job = runs.prepare_job(home, runs.recipe_of(small.recipe(base)), now=datetime(2026, 1, 1))
    (home.folder / "file").write_text("")
    job = job.model_copy(update={"cache": str(home.folder / "file" / "tokens")})
    folder = runs.create_run(home, job)
    code, error = finish(start(folder))
    assert code == 1
    assert "Traceback" in error
    [failed] = events(folder, "failed")
    assert (failed["error"], failed["reason"]) == ("NotADirectoryError", "defect")
    assert "\n" not in failed["message"]


def test_user_errors_end_with_code_2(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "job", import_job(tmp_path, tmp_path / "none.jsonl"))
    assert finish(start(folder)) == (
        2,
        f"NotFound: {events(folder)[-1]['message']} (check the path)\n",
    )
