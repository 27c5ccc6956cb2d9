"""Every kind of job from its folder to its outcome."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from safetensors import SafetensorError

from tests.jobs.processes import events, import_job, make_folder
from tests.training import runs as small
from tunesmith.artifacts import commit_folder, read_manifest
from tunesmith.data.job import PreviewJob
from tunesmith.errors import DatasetRejected, FetchFailed, ModelRejected, NotFound, RecipeInvalid
from tunesmith.events import Event, counting
from tunesmith.jobs.failures import failure_of
from tunesmith.jobs.folder import OUTCOME, read_outcome
from tunesmith.jobs.run import run_job
from tunesmith.jobs.spec import read_spec
from tunesmith.modeling.job import PullJob
from tunesmith.service import runs
from tunesmith.training.job import PreflightJob


def _rows(path: Path, *, answers: int = 20) -> Path:
    rows = [{"prompt": f"what is {n}", "completion": f"it is {n}"} for n in range(answers)]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", "utf-8")
    return path


def test_import_leaves_a_version_and_an_outcome_and_returns_at_once_thereafter(
    tmp_path: Path,
) -> None:
    job = import_job(tmp_path, _rows(tmp_path / "rows.jsonl"))
    folder = make_folder(tmp_path / "job", job)
    outcome = run_job(folder)
    assert outcome.artifact is not None
    assert read_manifest(Path(outcome.artifact)) is not None
    assert outcome.value == {"existed": False}
    assert [e["kind"] for e in events(folder)] == ["phase", "progress", "finished"]
    assert events(folder, "progress")[0]["done"] == 20
    assert list((tmp_path / "scratch").iterdir()) == []

    (tmp_path / "rows.jsonl").unlink()
    assert run_job(folder) == outcome
    assert len(events(folder)) == 3


def test_a_job_whose_artifact_is_gone_is_done_anew(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "job", import_job(tmp_path, _rows(tmp_path / "rows.jsonl")))
    first = run_job(folder)
    os.rename(str(first.artifact), tmp_path / "away")
    assert read_outcome(folder) is None
    assert run_job(folder) == first


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Our chats (final) 客服.jsonl", "Our chats (final) 客服.jsonl"),
        ("../../etc/rows.jsonl", "_.._etc_rows.jsonl"),
        ("字" * 300 + ".jsonl", "字" * 54 + ".jsonl"),
    ],
)
def test_an_uploaded_file_goes_by_the_name_its_user_knows(
    tmp_path: Path, name: str, shown: str
) -> None:
    stored = _rows(tmp_path / "file-8f2c")  # its own name would not say how it is read
    folder = make_folder(tmp_path / "job", import_job(tmp_path, stored, name=name))
    manifest = read_manifest(Path(str(run_job(folder).artifact)))
    assert manifest is not None
    assert manifest.lineage["source"] == name
    assert events(folder, "phase")[0]["detail"] == shown

    stored.write_text('{"prompt": "a"', "utf-8")
    with pytest.raises(DatasetRejected) as refusal:
        run_job(make_folder(tmp_path / "again", import_job(tmp_path, stored, name=name)))
    assert shown in refusal.value.message
    assert "file-8f2c" not in refusal.value.message


def test_refusals_are_events_with_a_reason(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "job", import_job(tmp_path, tmp_path / "none.jsonl"))
    with pytest.raises(NotFound):
        run_job(folder)
    [failed] = events(folder, "failed")
    assert (failed["error"], failed["reason"]) == ("NotFound", "data")
    assert failed["message"]
    assert not (folder / OUTCOME).exists()


def test_pull_takes_what_is_here_and_names_a_bad_file_as_its_user_does(tmp_path: Path) -> None:
    models = tmp_path / "models"
    commit_folder(
        models / "smollm2-135m",
        kind="base-model",
        write=lambda folder: (folder / "config.json").write_text("{}") and None,
    )
    here = run_job(
        make_folder(tmp_path / "here", PullJob(source="smollm2-135m", models=str(models)))
    )
    assert here.artifact == str(models / "smollm2-135m")

    stored = tmp_path / "file-77"
    stored.write_bytes(b"GGUF is what this only claims to be")
    folder = make_folder(
        tmp_path / "bad", PullJob(source=str(stored), name="mine.gguf", models=str(models))
    )
    with pytest.raises(ModelRejected, match=r"mine\.gguf is not a readable GGUF file"):
        run_job(folder)
    assert events(folder, "failed")[0]["reason"] == "model"
    assert [path.name for path in models.iterdir()] == ["smollm2-135m"]


def test_preflight_and_preview_leave_their_figures(tmp_path: Path) -> None:
    home, base = small.make_home(tmp_path)
    train = runs.prepare_job(home, runs.recipe_of(small.recipe(base)), now=datetime(2026, 1, 1))
    flight = run_job(make_folder(tmp_path / "flight", PreflightJob(run=train)))
    report = json.loads((tmp_path / "flight" / OUTCOME).read_text())["value"]
    assert flight.value == report
    assert report["total_steps"] == 15
    assert report["config"]["name"] == "tiny-run"
    assert report["data"][0]["report"]["num_whole"] == small.NUM_EXAMPLES

    preview = run_job(
        make_folder(
            tmp_path / "preview",
            PreviewJob(
                dataset=train.train[0].folder,
                base=str(base),
                data=train.config.data,
                first_row=7,
                limit=2,
            ),
        )
    )
    views = preview.value
    assert isinstance(views, list)
    assert [view["row"] for view in views] == [7, 8]  # pyright: ignore[reportIndexIssue]
    trained = "".join(t["text"] for t in views[0]["tokens"] if t["trained"])  # pyright: ignore
    assert trained == "the answer is 7<|im_end|>"


def test_a_job_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no job\.json"):
        read_spec(tmp_path)
    (tmp_path / "job.json").write_text('{"kind": "import", "source": 3}')
    with pytest.raises(RecipeInvalid, match=r"import\.source: Input should be a valid string"):
        read_spec(tmp_path)
    (tmp_path / "job.json").write_text('{"kind": "dance"}')
    with pytest.raises(RecipeInvalid, match="'preview', 'mix', 'compare', 'evaluate'"):
        read_spec(tmp_path)


def test_importing_the_command_loads_no_torch() -> None:
    check = "import sys, tunesmith.jobs.run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_progress_is_told_now_and_then() -> None:
    told: list[Event] = []
    seconds = iter([0.0, 0.1, 0.4, 0.6, 0.7, 0.8])
    count = counting(told.append, unit="rows", clock=lambda: next(seconds))
    for done in range(1, 7):
        count(done, 6)
    assert [event.done for event in told] == [1, 4, 6]  # pyright: ignore[reportAttributeAccessIssue]


# --- what libraries raise, for real ----------------------------------------------------------


def _fill_by_python() -> None:
    Path("/dev/full").write_text("x" * 100_000)


def _fill_by_pyarrow() -> None:
    with pa.OSFile("/dev/full", "wb") as file:
        file.write(b"x" * 100_000)


def _fill_by_safetensors() -> None:
    # Word for word; for real it takes a small file system, since it writes beside and renames.
    raise SafetensorError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    )


def _fill_while_fetching() -> None:
    try:
        _fill_by_python()
    except OSError as error:
        raise FetchFailed("broke off") from error


@pytest.mark.parametrize(
    "fill", [_fill_by_python, _fill_by_pyarrow, _fill_by_safetensors, _fill_while_fetching]
)
def test_a_full_disk_is_known_whoever_says_it(fill: Callable[[], None]) -> None:
    with pytest.raises((OSError, SafetensorError, FetchFailed)) as error:
        fill()
    failure = failure_of(error.value, kind="train")
    assert failure is not None
    assert failure.reason == "disk_full"
    assert "resume" in failure.hint


def _want_by_torch() -> None:
    import torch

    torch.empty(1 << 58)


def _want_by_pyarrow() -> None:
    pa.allocate_buffer(1 << 58)


def _want_by_python() -> None:
    bytearray(1 << 58)


@pytest.mark.parametrize("want", [_want_by_torch, _want_by_pyarrow, _want_by_python])
def test_a_lack_of_memory_is_known_whoever_says_it(want: Callable[[], None]) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as error:
        want()
    failure = failure_of(error.value, kind="train")
    assert failure is not None
    assert failure.reason == "out_of_memory"
    assert "training.batch_size" in failure.hint


def test_what_a_dataset_quotes_is_not_taken_for_a_full_disk() -> None:
    quoted = DatasetRejected("row 3: 'No space left on device' is no conversation")
    assert failure_of(quoted, kind="import") is quoted
    assert failure_of(KeyError("x"), kind="import") is None
