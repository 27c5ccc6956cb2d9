"""The official client of OpenAI drives a job from the upload to a model; nobody else sees it."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.api.openai_client import UNKNOWN, Clients, chats, queue_far_away, upload, wait_until
from tests.api.serving import BASE, TENANT, Served

pytestmark = pytest.mark.timeout(300)  # on a machine that trains other things beside

NUM_STEPS = 150  # 10 examples, 2 a step, 30 epochs


@pytest.fixture(scope="module")
def tuned(owner: OpenAI) -> FineTuningJob:
    """A job that was paused on its way and has succeeded."""
    job = owner.fine_tuning.jobs.create(
        model=BASE,
        training_file=upload(owner, chats(10)),
        validation_file=upload(owner, chats(4), name="check.jsonl"),
        suffix="support.bot",
        seed=7,
        method={
            "type": "supervised",
            "supervised": {
                "hyperparameters": {
                    "n_epochs": 30,
                    "batch_size": 2,
                    "learning_rate_multiplier": 20.0,
                }
            },
        },
        metadata={"team": "support"},
        extra_body={
            "recipe": {
                "method": {"kind": "lora", "rank": 4},
                "checkpoint": {"every_steps": 50},
                "training": {"evaluate_every": 50},
            },
            "resources": {"cores": 1},
            "priority": 5,
        },
    )
    assert job.status == "validating_files"
    assert job.fine_tuned_model is None
    assert job.finished_at is None

    jobs = owner.fine_tuning.jobs
    wait_until(owner, job.id, lambda seen: seen.estimated_finish is not None)
    jobs.pause(job.id)
    paused = wait_until(owner, job.id, lambda seen: str(seen.status) == "paused")
    assert paused.estimated_finish is None
    last_step = _steps(owner, job.id)[-1]
    assert 0 < last_step < NUM_STEPS

    assert jobs.resume(job.id).status == "queued"
    done = wait_until(owner, job.id, lambda seen: seen.status in ("succeeded", "failed"))
    assert _steps(owner, job.id) == list(range(1, NUM_STEPS + 1))  # none was lost, none taken twice
    return done


def _steps(client: OpenAI, job_id: str) -> list[int]:
    events = client.fine_tuning.jobs.list_events(job_id, limit=100)
    data = [event.data for event in events if event.type == "metrics"]
    return sorted(each["step"] for each in data if "train_loss" in each)


# --- the way of a job ------------------------------------------------------------------------


def test_a_job_shows_what_it_was_asked_for(tuned: FineTuningJob) -> None:
    assert tuned.method is not None
    assert tuned.method.supervised is not None
    shown = tuned.method.supervised.hyperparameters
    assert shown is not None
    assert (shown.n_epochs, shown.batch_size) == (30, 2)
    assert shown.learning_rate_multiplier == 20.0
    assert tuned.hyperparameters.n_epochs == 30
    assert (tuned.model, tuned.seed, tuned.metadata) == (BASE, 7, {"team": "support"})
    assert tuned.error is None


def test_a_finished_job_says_what_came_of_it(owner: OpenAI, tuned: FineTuningJob) -> None:
    assert tuned.finished_at is not None
    assert tuned.created_at <= tuned.finished_at <= datetime.now(UTC).timestamp()
    assert tuned.trained_tokens is not None
    assert tuned.trained_tokens > 50 * NUM_STEPS  # two short examples a step
    assert tuned.fine_tuned_model is not None
    assert tuned.fine_tuned_model.startswith(f"ft:{BASE}:{TENANT}:support-bot:")
    model = owner.models.retrieve(tuned.fine_tuned_model)
    assert (model.id, model.owned_by) == (tuned.fine_tuned_model, TENANT)
    assert [model.id for model in owner.models.list()][:2] == [BASE, tuned.fine_tuned_model]


def test_the_result_file_has_a_row_for_every_step(owner: OpenAI, tuned: FineTuningJob) -> None:
    [file_id] = tuned.result_files
    assert owner.files.retrieve(file_id).purpose == "fine-tune-results"
    content = owner.files.content(file_id).read()
    assert owner.files.retrieve(file_id).bytes == len(content)
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert [int(row["step"]) for row in rows] == list(range(1, NUM_STEPS + 1))
    assert float(rows[-1]["train_loss"]) < 0.9 * float(rows[0]["train_loss"])
    assert float(rows[-1]["train_accuracy"]) > float(rows[0]["train_accuracy"])
    validated = [int(row["step"]) for row in rows if row["valid_loss"]]
    assert validated == [50, 100, 150]
    assert all(0 <= float(rows[step - 1]["valid_mean_token_accuracy"]) <= 1 for step in validated)


def test_events_come_newest_first_in_pages_without_gap(owner: OpenAI, tuned: FineTuningJob) -> None:
    jobs = owner.fine_tuning.jobs
    events = list(jobs.list_events(tuned.id, limit=7))
    assert [event.id for event in events] == [
        event.id for event in jobs.list_events(tuned.id, limit=1000)
    ]
    assert len({event.id for event in events}) == len(events)
    times = [event.created_at for event in events]
    assert times == sorted(times, reverse=True)
    messages = [event.message for event in events]
    assert messages[-1] == f"Created fine-tuning job: {tuned.id}"
    assert messages[0] == "The job has successfully completed"
    assert "Fine-tuning job paused" in messages
    assert "Checkpoint created at step 100" in messages
    validations = [event.data for event in events if event.message.startswith("Step 100: valid")]
    assert set(validations[0]) == {
        "step",
        "valid_loss",
        "valid_mean_token_accuracy",
        "full_valid_loss",
        "full_valid_mean_token_accuracy",
    }


def test_training_goes_on_from_a_checkpoint(owner: OpenAI, tuned: FineTuningJob) -> None:
    checkpoints = list(owner.fine_tuning.jobs.checkpoints.list(tuned.id, limit=1))
    steps = [checkpoint.step_number for checkpoint in checkpoints]
    assert steps == sorted(steps, reverse=True)
    assert {50, 100, 150} & set(steps) >= {100, 150}
    [middle] = [each for each in checkpoints if each.step_number == 100]
    assert middle.metrics.train_loss is not None
    assert middle.metrics.valid_loss is not None
    assert middle.fine_tuned_model_checkpoint == f"{tuned.fine_tuned_model}:ckpt-step-100"

    job = owner.fine_tuning.jobs.create(
        model=middle.fine_tuned_model_checkpoint,
        training_file=tuned.training_file,
        hyperparameters={"n_epochs": 1, "batch_size": 9},
        extra_body={"recipe": {"data": {"validation": "none"}}},
    )
    done = wait_until(owner, job.id, lambda seen: seen.status in ("succeeded", "failed"))
    assert done.fine_tuned_model is not None
    assert done.fine_tuned_model.startswith(f"ft:{BASE}:{TENANT}:support-bot:")
    first = owner.fine_tuning.jobs.list_events(job.id, limit=1000).data
    losses = [event.data["train_loss"] for event in first if event.type == "metrics"]
    # It begins where the checkpoint was and not where the base model is.
    assert losses[-1] == pytest.approx(middle.metrics.valid_loss, rel=0.3)


def test_a_model_is_deleted_once(owner: OpenAI, tuned: FineTuningJob) -> None:
    """The last of those that use the job's model."""
    assert tuned.fine_tuned_model is not None
    with pytest.raises(openai.PermissionDeniedError, match="base model"):
        owner.models.delete(BASE)
    assert owner.models.delete(tuned.fine_tuned_model).deleted
    with pytest.raises(openai.NotFoundError):
        owner.models.retrieve(tuned.fine_tuned_model)
    with pytest.raises(openai.NotFoundError):
        owner.models.delete(tuned.fine_tuned_model)


def test_a_file_with_bad_rows_fails_the_job_and_names_the_parameter(owner: OpenAI) -> None:
    job = owner.fine_tuning.jobs.create(model=BASE, training_file=upload(owner, chats(3, broken=5)))
    failed = wait_until(owner, job.id, lambda seen: seen.status == "failed")
    assert failed.error is not None
    assert (failed.error.code, failed.error.param) == ("data", "training_file")
    assert failed.fine_tuned_model is None
    levels = {event.level for event in owner.fine_tuning.jobs.list_events(job.id)}
    assert levels == {"info", "error"}
    assert owner.fine_tuning.jobs.resume(job.id).status == "validating_files"
    assert owner.fine_tuning.jobs.cancel(job.id).status == "cancelled"


def test_the_examples_of_the_docs_run(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "messages.jsonl").write_bytes(chats(8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{served.address}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", served.key)
    page = (Path(__file__).parents[2] / "docs" / "openai.md").read_text("utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    for example in examples:
        exec(example, names)
    names["client"].close()
    assert names["job"].status == "succeeded"
    assert names["checkpoint"].fine_tuning_job_id == names["job"].id


# --- refusals --------------------------------------------------------------------------------


def test_results_are_nothing_to_train_on(owner: OpenAI, tuned: FineTuningJob) -> None:
    with pytest.raises(openai.BadRequestError, match="purpose"):
        owner.fine_tuning.jobs.create(model=BASE, training_file=tuned.result_files[0])


def test_lists_refuse_what_they_do_not_know(owner: OpenAI, tuned: FineTuningJob) -> None:
    jobs = owner.fine_tuning.jobs
    for ask in (
        lambda: owner.files.list(after="file-0"),
        lambda: jobs.list(after=UNKNOWN),
        lambda: jobs.list_events(tuned.id, after="ftevent-0"),
        lambda: jobs.checkpoints.list(tuned.id, after="ftckpt-0"),
        lambda: jobs.retrieve(UNKNOWN),
    ):
        with pytest.raises(openai.NotFoundError):
            ask()
    with pytest.raises(openai.BadRequestError):
        jobs.list(limit=0)


def test_another_tenant_sees_nothing(owner: OpenAI, clients: Clients, tuned: FineTuningJob) -> None:
    other = clients.of_new_tenant("strangers")
    jobs = other.fine_tuning.jobs
    assert [model.id for model in other.models.list()] == [BASE]
    assert list(other.files.list()) == list(jobs.list()) == []
    model, file_id = str(tuned.fine_tuned_model), tuned.training_file
    attempts: list[Callable[[], object]] = [
        lambda: other.files.retrieve(file_id),
        lambda: other.files.content(file_id),
        lambda: other.files.content(tuned.result_files[0]),
        lambda: other.files.delete(file_id),
        lambda: jobs.retrieve(tuned.id),
        lambda: jobs.pause(tuned.id),
        lambda: jobs.resume(tuned.id),
        lambda: jobs.cancel(tuned.id),
        lambda: jobs.list_events(tuned.id),
        lambda: jobs.checkpoints.list(tuned.id),
        lambda: jobs.list(after=tuned.id),
        lambda: other.models.retrieve(model),
        lambda: other.models.delete(model),
        lambda: queue_far_away_from(other, f"{model}:ckpt-step-100"),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError):
            attempt()
    with pytest.raises(openai.BadRequestError, match="there is no file"):
        queue_far_away(other, file_id)
    assert owner.files.retrieve(file_id).id == file_id


def queue_far_away_from(client: OpenAI, model: str) -> FineTuningJob:
    """A job that would go on from `model`."""
    return client.fine_tuning.jobs.create(model=model, training_file=upload(client, chats(1)))
