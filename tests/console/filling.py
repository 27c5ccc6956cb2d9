"""Real data for pages, made by the use cases that people call."""

import io
import json
import time
from collections.abc import Iterable

from tests.api.serving import BASE, PASSWORD, Served
from tests.console.trainings import events_of, train
from tunesmith.service import channels, files, jobs, model_pages, people
from tunesmith.service.access import Actor, authenticate
from tunesmith.service.files import FileView
from tunesmith.service.job_requests import ImportRequest, JobRequest, TrainRequest
from tunesmith.service.job_views import JobView
from tunesmith.service.runs import recipe_of
from tunesmith.service.samples import import_samples
from tunesmith.service.submitting import submit_job
from tunesmith.store.tables import TERMINAL, Job

_PATIENCE_SECONDS = 240  # a training of seconds, on a machine that does other things
_ANSWERS = ("Which order do you mean?", "Order order on day", "It left.", "It left on day 8.")
_MANY_ROWS = "ten-thousand-questions-of-the-customers-of-our-shops-in-2026"


def owner_of(served: Served) -> Actor:
    """The owner of the tenant."""
    actor = authenticate(served.services, served.key)
    assert actor is not None
    return actor


def finish(served: Served, request: JobRequest) -> JobView:
    """Queue a job and wait for its end."""
    job = submit_job(served.services, request, actor=owner_of(served))
    return await_end(served, job.id)


def await_end(served: Served, job_id: str) -> JobView:
    """The job once it has ended."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        job = jobs.get_job(served.services, owner_of(served).tenant_id, job_id)
        if job.status in TERMINAL:
            return job
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} does not end: {served.log('worker')}")


def upload(served: Served, rows: Iterable[object], *, filename: str) -> FileView:
    """Keep rows as an uploaded file of JSON Lines."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return files.store_file(
        served.services,
        io.BytesIO(text.encode()),
        filename=filename,
        purpose="fine-tune",
        actor=owner_of(served),
    )


def add_dataset(
    served: Served, name: str, rows: Iterable[object], *, max_rejected_percent: float = 0.0
) -> str:
    """Import rows as a version of `name`; what are no examples may be as many as given."""
    file = upload(served, rows, filename=f"{name}.jsonl")
    job = finish(
        served,
        ImportRequest(name=name, file=file.id, max_rejected_percent=max_rejected_percent),
    )
    assert job.status == "succeeded", job.error
    return name


def add_model(served: Served, name: str, *, dataset: str) -> str:
    """A model that a real training of a few steps makes."""
    settings = {
        "name": name,
        "model": BASE,
        "data": {"train": dataset},
        "training": {"epochs": 1, "batch_size": 4},
    }
    job = finish(served, TrainRequest(recipe=recipe_of(settings)))
    assert job.status == "succeeded", job.error
    return name


def fill(served: Served) -> dict[str, str]:
    """What the pages of pictures show; ids that addresses of pages name."""
    for job in import_samples(served.services, owner_of(served)):
        await_end(served, job.id)
    good = [{"prompt": f"订单 {n} 到哪里了？", "completion": "已发货。"} for n in range(40)]
    bad = [{"prompt": "在吗？", "completion": " "}, {"prompt": 7, "completion": "好。"}]
    add_dataset(served, "tickets-as-exported", [*good, *bad], max_rejected_percent=10)
    for rows in (good, good[5:]):
        add_dataset(served, "客服问答-2026", rows)
    many = [
        {"prompt": f"Where is order {n}?", "completion": f"It left on day {n % 31 + 1}."}
        for n in range(10_000)
    ]
    add_dataset(served, _MANY_ROWS, many)
    actor = owner_of(served)
    names = ("support-bot", "support-bot-slower")
    runs = [
        train(served, actor, name, "客服问答-2026", epochs=4, evaluate_every=10, learning_rate=rate)
        for name, rate in zip(names, (2e-3, 5e-4), strict=True)
    ]
    for each in runs:
        job = await_end(served, each)
        assert job.status == "succeeded", job.error
    add_dataset(served, "orders-in-english", many[:60])
    asked = {"prompts": ["Where is order 7?", "Where is order 1234?"], "max_tokens": 16}
    watched = train(
        served, actor, "support-bot-watched", "orders-in-english", samples=asked, evaluate_every=20
    )
    assert await_end(served, watched).status == "succeeded"
    _put_into_words(served, watched)
    train(served, actor, "support-bot-on-gpu", "sample", pool="gpu")  # which nobody works on
    for name, alias in (
        ("support-bot-slower", "prod"),
        ("support-bot", "prod"),
        (names[0], "next"),
    ):
        model = model_pages.set_alias(served.services, actor, alias, model=name).model_id
    people.add_member(
        served.services,
        actor.tenant_id,
        email="wei@example.org",
        role="viewer",
        password=PASSWORD,
    )
    channels.add_channel(
        served.services, actor.tenant_id, name="ops", url="jsons://hooks.example.org/room"
    )
    rows = [{"frage": each["prompt"], "antwort": each["completion"]} for each in good]
    return {
        "run": runs[0],
        "other_run": runs[1],
        "watched_run": watched,
        "failed_run": _fail(served, actor),
        "many_rows": _MANY_ROWS,
        "model": model,
        "file": upload(served, rows, filename="support.jsonl").id,
    }


def _put_into_words(served: Served, run_id: str) -> None:
    """Give the answers of a run the words that its tiny model has not."""
    path = events_of(served, run_id)
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for event in events:
        if event["kind"] == "sampled":
            event["answer"] = _ANSWERS[min(event["step"] // 20, len(_ANSWERS) - 1)]
    path.write_text("".join(json.dumps(event) + "\n" for event in events), "utf-8")


def _fail(served: Served, actor: Actor) -> str:
    """A run that had too little memory."""
    run_id = train(served, actor, "support-bot-too-large", "sample", pool="gpu", batch_size=64)
    with served.services.database.transaction() as db:
        job = db.get_one(Job, run_id)
        job.status = "failed"
        job.error = {
            "reason": "out_of_memory",
            "message": "training would need 9.1 GB of 4.2 GB free",
            "hint": "a smaller batch with as much more accumulation learns the same",
        }
    return run_id
