"""The official client of OpenAI: files, lists, waiting jobs, and all that is refused."""

import openai
import pytest
from openai import OpenAI

from tests.api.openai_client import UNKNOWN, Clients, chats, queue_far_away, upload
from tests.api.serving import BASE, Served
from tunesmith.store.tables import Tenant


def test_files_come_and_go_byte_for_byte(clients: Clients) -> None:
    client = clients.of_new_tenant("files")
    ids = [upload(client, chats(number), name=f"{number}.jsonl") for number in range(5)]
    assert [file.id for file in client.files.list(order="asc", limit=2)] == ids
    assert [file.id for file in client.files.list(limit=2)] == ids[::-1]
    file = client.files.retrieve(ids[3])
    assert (file.filename, file.status, file.purpose) == ("3.jsonl", "processed", "fine-tune")
    assert client.files.wait_for_processing(ids[3], poll_interval=0.1).id == ids[3]
    assert client.files.content(ids[3]).read() == chats(3)
    assert client.files.delete(ids[3]).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(ids[3])
    assert [file.id for file in client.files.list(purpose="fine-tune-results")] == []


def test_jobs_are_listed_in_pages_and_found_by_their_notes(clients: Clients) -> None:
    client = clients.of_new_tenant("lists")
    file_id = upload(client, chats(3))
    noted = [queue_far_away(client, file_id, metadata={"n": str(n % 2)}).id for n in range(4)]
    plain = queue_far_away(client, file_id).id
    jobs = client.fine_tuning.jobs
    assert [job.id for job in jobs.list(limit=2)] == [plain, *noted[::-1]]
    assert [job.id for job in jobs.list(metadata={"n": "1"}, limit=1)] == [noted[3], noted[1]]
    assert [job.id for job in jobs.list(extra_query={"metadata": "null"})] == [plain]
    assert list(jobs.list(metadata={'say "n"': "1"})) == []


def test_a_request_that_is_sent_again_makes_no_second_job(clients: Clients) -> None:
    client = clients.of_new_tenant("again")
    file_id = upload(client, chats(3))
    key = {"Idempotency-Key": "once"}
    jobs = {queue_far_away(client, file_id, extra_headers=key).id for _ in range(3)}
    assert len(jobs) == 1
    with pytest.raises(openai.ConflictError, match="idempotency key"):
        queue_far_away(client, file_id, extra_headers=key, suffix="other")


def test_a_waiting_job_is_paused_resumed_and_cancelled_at_once(clients: Clients) -> None:
    client = clients.of_new_tenant("waiting")
    file_id = upload(client, chats(3))
    jobs = client.fine_tuning.jobs
    job = queue_far_away(client, file_id)
    assert str(jobs.pause(job.id).status) == "paused"
    assert jobs.resume(job.id).status in ("validating_files", "queued")
    cancelled = jobs.cancel(job.id)
    assert (cancelled.status, cancelled.finished_at is None) == ("cancelled", False)
    with pytest.raises(openai.ConflictError):
        jobs.cancel(job.id)


# --- refusals --------------------------------------------------------------------------------

_SUPERVISED = {"type": "supervised"}


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"model": "gpt-4o-mini"}, openai.NotFoundError, "base models: .*smollm2-135m"),
        ({"model": f"ft:{BASE}:acme:x:000000000000:ckpt-step-5"}, openai.NotFoundError, "no model"),
        ({"training_file": "file-0000"}, openai.BadRequestError, "training_file: there is no file"),
        ({"training_file": "nowhere"}, openai.NotFoundError, "no dataset 'nowhere'"),
        ({"validation_file": "file-0"}, openai.BadRequestError, "validation_file: there is no"),
        ({"suffix": "x" * 65}, openai.BadRequestError, "suffix"),
        ({"suffix": "-x"}, openai.BadRequestError, "start with a letter"),
        ({"seed": -1}, openai.BadRequestError, "seed"),
        ({"hyperparameters": {"n_epochs": 0}}, openai.BadRequestError, "n_epochs"),
        ({"hyperparameters": {"batch_size": "big"}}, openai.BadRequestError, "batch_size"),
        ({"hyperparameters": {"epochs": 3}}, openai.BadRequestError, "hyperparameters.epochs"),
        ({"method": {"type": "dpo"}}, openai.BadRequestError, "dpo is not offered"),
        (
            {"method": _SUPERVISED, "hyperparameters": {"n_epochs": 1}},
            openai.BadRequestError,
            "either method or hyperparameters",
        ),
        (
            {"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]},
            openai.BadRequestError,
            "integrations are not offered",
        ),
        ({"metadata": {"k" * 65: "v"}}, openai.BadRequestError, "metadata"),
        ({"metadata": {"k": "v" * 513}}, openai.BadRequestError, "metadata"),
        ({"extra_body": {"receipt": {}}}, openai.BadRequestError, "receipt"),
        (
            {"extra_body": {"recipe": {"training": {"epoch": 3}}}},
            openai.BadRequestError,
            "training.epoch",
        ),
        ({"extra_body": {"recipe": {"model": BASE}}}, openai.BadRequestError, "given as model"),
        ({"extra_body": {"recipe": {"training": 5}}}, openai.BadRequestError, "training"),
        ({"extra_body": {"priority": 1000}}, openai.BadRequestError, "priority"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    owner: OpenAI, changes: dict[str, object], error: type[openai.APIStatusError], says: str
) -> None:
    wanted: dict[str, object] = {"model": BASE, "training_file": _any_file(owner), **changes}
    with pytest.raises(error, match=says) as caught:
        owner.fine_tuning.jobs.create(**wanted)  # type: ignore[arg-type]
    assert caught.value.type == "invalid_request_error"
    assert caught.value.code


def _any_file(client: OpenAI) -> str:
    files = client.files.list(purpose="fine-tune", limit=1).data
    return files[0].id if files else upload(client, chats(3))


def test_uploads_are_refused_clearly(owner: OpenAI) -> None:
    content = ("x.jsonl", chats(1))
    with pytest.raises(openai.BadRequestError, match="purpose"):
        owner.files.create(file=content, purpose="assistants")
    with pytest.raises(openai.BadRequestError, match="kept until they are deleted"):
        owner.files.create(
            file=content,
            purpose="fine-tune",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )


def test_who_may_not_is_told_so(served: Served, clients: Clients) -> None:
    nobody = clients.client("ts-nobody")
    with pytest.raises(openai.AuthenticationError):
        nobody.models.list()
    viewer = clients.client(served.add_member("viewer@example.org", role="viewer"))
    assert BASE in [model.id for model in viewer.models.list()]
    with pytest.raises(openai.PermissionDeniedError):
        upload(viewer, chats(1))
    with pytest.raises(openai.PermissionDeniedError):
        viewer.fine_tuning.jobs.cancel(UNKNOWN)


def test_a_full_queue_is_a_rate_limit(served: Served, clients: Clients) -> None:
    client = clients.of_new_tenant("full")
    file_id = upload(client, chats(1))
    with served.services.database.transaction() as db:
        db.query(Tenant).filter_by(name="full").one().max_queued = 0
    with pytest.raises(openai.RateLimitError, match="0 jobs"):
        queue_far_away(client, file_id)
