"""Much of everything, put into the store at once: what some busy years of a team come to."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from tests.api.serving import BASE, TENANT, Served
from tests.console.answering import add_comparison
from tests.console.filling import add_dataset
from tests.console.trainings import actor_of, train, wait_for
from tests.evaluation.made import exchange
from tunesmith.jobs.folder import EVENTS
from tunesmith.schema import canonical_json
from tunesmith.store.tables import (
    Alias,
    AliasMove,
    Audit,
    Channel,
    ChatVote,
    Deployment,
    Entry,
    EntryVersion,
    Evaluation,
    InferenceEngine,
    Job,
    Key,
    Member,
    Model,
    ModelRequest,
    NameRow,
    OutboxMessage,
    Person,
    Recipe,
    Table,
    Tenant,
    Transcript,
    Worker,
    new_id,
)

NUM_RUNS = 1000
NUM_REQUESTS = 5000
NUM_CALLS = 2000
NUM_OTHERS = 200  # of everything else; as many of the runs wait
NUM_STEPS = 10_000  # of every run that ended
NUM_EXAMPLES = 10_000

DATASET, _USED = "questions", "few"  # the large one, and the one that all runs used

Row = Mapping[str, Any]


def fill_with_many(served: Served) -> dict[str, str]:
    """Fill the first tenant and the installation around it; ids by what addresses call them."""
    rows = _Rows(served)
    add_dataset(served, DATASET, [_example(n) for n in range(NUM_EXAMPLES)])
    add_dataset(served, _USED, [_example(n) for n in range(8)])
    _add_names_of_datasets(rows)
    run = train(served, actor_of(served), "first", _USED, epochs=1)
    wait_for(served, actor_of(served), run, "succeeded")
    asked = [exchange(n, ["Yes.", "No."], reference="Yes.") for n in range(1, NUM_OTHERS + 1)]
    comparison = add_comparison(served, ["one", "other"], asked)
    models = _add_models(rows, evaluated_by=comparison)
    _add_people(rows)
    return {
        "dataset": DATASET,
        "used_dataset": _USED,
        "run_id": run,
        "other_run": _add_runs(rows, like=run)[0],
        "job_id": _add_jobs(rows)[0],
        "model_id": models[0],
        "comparison_id": comparison,
        "deployment_id": _add_deployments(rows, models),
        "transcript_id": _add_chats(rows, models),
        "character_id": _add_entries(rows, "character", {"persona": "A clerk. " * 20}),
        "prompt_id": _add_entries(rows, "prompt", {"template": "Think. {{prompt}}"}),
        "channel_id": _add_channels(rows),
    }


def _example(number: int) -> Mapping[str, str]:
    return {"prompt": f"Where is order {number}?", "completion": f"On day {number % 31 + 1}."}


class _Rows:
    """Writes rows of one tenant, each kind in one statement."""

    def __init__(self, served: Served) -> None:
        self.services, self.actor = served.services, actor_of(served)
        self.home = served.services.home(self.actor.tenant_id)
        self.now = served.services.clock()

    def add(self, table: type[Table], count: int, row: Callable[[int], Row]) -> list[str]:
        """Add rows and return their ids; what most tables have is the same in all."""
        columns = table.__table__.columns.keys()
        rows = [
            {name: value for name, value in self._usual(n).items() if name in columns} | row(n)
            for n in range(count)
        ]
        with self.services.database.transaction() as db:
            db.execute(insert(table), rows)
        return [each.get("id", "") for each in rows]

    def _usual(self, number: int) -> dict[str, Any]:
        then = self.now - timedelta(minutes=number + 1)
        times = ("created_at", "changed_at", "moved_at", "voted_at", "saved_at", "since", "time")
        return {
            "id": new_id("ftjob"),
            "tenant_id": self.actor.tenant_id,
            "person_id": self.actor.person_id,
            "created_by": self.actor.email,
            **dict.fromkeys(times, then),
        }


# --- data and runs ---------------------------------------------------------------------------


def _add_names_of_datasets(rows: _Rows) -> None:
    """Datasets, and versions of one, whose newest is the large one."""
    few, large = (rows.home.find("dataset", name).id for name in (_USED, DATASET))
    versions = [f"{number:064x}" for number in range(NUM_OTHERS)]
    for each in versions:
        (rows.home.datasets / each).symlink_to(rows.home.datasets / few)
    named = [(f"dataset-{number}", few) for number in range(NUM_OTHERS)]
    _point(rows, "dataset", [*named, *((DATASET, each) for each in [*versions, large])])


def _point(rows: _Rows, kind: str, targets: Sequence[tuple[str, str]]) -> None:
    def row(number: int) -> Row:
        name, target = targets[number]
        return {"kind": kind, "name": name, "target": target}

    rows.add(NameRow, len(targets), row)


def _add_runs(rows: _Rows, *, like: str) -> list[str]:
    """Runs that have ended, each with the files of a long one, and runs that wait."""
    files = rows.home.runs / like
    events = [json.loads(line) for line in (files / EVENTS).read_text("utf-8").splitlines()]
    step = next(each for each in events if each["kind"] == "step")
    before = events[: events.index(step)]
    steps = [{**step, "seq": len(before) + n, "step": n, "loss": 3 / n**0.2}
             for n in range(1, NUM_STEPS + 1)]  # fmt: skip
    lines = "".join(json.dumps(each) + "\n" for each in (*before, *steps))
    (files / EVENTS).write_text(lines, "utf-8")
    recipe = {"name": "one-of-many", "model": BASE, "data": {"train": _USED}}
    num_ended = NUM_RUNS - NUM_OTHERS

    def row(number: int) -> Row:
        status = "succeeded" if number < num_ended else "queued"
        return _job(number, "train", {"recipe": recipe}, status=status)

    ids = rows.add(Job, NUM_RUNS, row)
    for each in ids[:num_ended]:
        shutil.copytree(files, rows.home.runs / each, copy_function=os.link)
    _point(rows, "run", [("one-of-many", each) for each in ids[:num_ended]])
    rows.add(Recipe, NUM_OTHERS, lambda n: {"name": f"recipe-{n}", "recipe": recipe})
    return ids


def _job(number: int, kind: str, request: Row, **more: Any) -> Row:
    return {
        "kind": kind,
        "name": f"one-of-many-{number}",
        "spec": {"request": {"kind": kind, **request}, "pins": {}},
        "rank": number,
        "pool": "nobody",
        "request_digest": "",
        **more,
    }


def _add_jobs(rows: _Rows) -> list[str]:
    """Jobs of other kinds."""
    error = {"reason": "out_of_memory", "message": "too little", "hint": ""}
    compare = {"models": [{"model": BASE}, {"model": "few@1"}], "prompts": [{"prompt": "?"}]}
    rows.add(Job, NUM_OTHERS, lambda n: _job(n, "compare", compare, status="failed", error=error))
    kinds = ("import", "pull", "register", "evaluate", "preflight", "preview")

    def row(number: int) -> Row:
        status = "queued" if number < len(kinds) else "failed"
        return _job(number, kinds[number % len(kinds)], {}, status=status, error=error)

    return rows.add(Job, len(kinds) * NUM_OTHERS, row)


# --- models and what they answered -----------------------------------------------------------


def _add_models(rows: _Rows, *, evaluated_by: str) -> list[str]:
    """Models with figures, half of them versions of one, some with aliases that moved often."""

    def row(number: int) -> Row:
        return {
            "id": f"ft:{BASE}:{TENANT}:model:{number:012x}",
            "name": f"model-{number}" if number % 2 else "model",
            "version": number + 1,
            "kind": "adapter",
            "base": BASE,
            "digest": "0" * 64,
            "folder": "models/none",
        }

    ids = rows.add(Model, NUM_OTHERS, row)

    def move(number: int) -> Row:
        seen = {"from_model": ids[number % 20], "to_model": ids[(number + 1) % 20]}
        return {"name": "alias-0", "moved_by": rows.actor.email, **seen}

    rows.add(Alias, NUM_OTHERS, lambda n: {"name": f"alias-{n}", "model_id": ids[n % 20]})
    rows.add(AliasMove, NUM_OTHERS, move)
    found = {"job_id": evaluated_by, "scores": {"facts/exact": 0.5, "facts/f1": 0.7}}
    rows.add(Evaluation, NUM_OTHERS, lambda n: {**found, "label": f"{n}", "model": ids[n]})
    return ids


def _add_deployments(rows: _Rows, models: Sequence[str]) -> str:
    """Deployments, and requests to the first."""
    [engine] = rows.add(InferenceEngine, 1, lambda _: {"kind": "k", "base": BASE, "pool": "no"})

    def row(number: int) -> Row:
        model = {"model": models[number], "reference": models[number]}
        return {**model, "engine_id": engine, "state": "stopped", "notify": []}

    first = rows.add(Deployment, NUM_OTHERS, row)[0]
    numbers = ("milliseconds", "prompt_tokens", "answer_tokens", "prompt_characters",
               "answer_characters")  # fmt: skip

    def request(number: int) -> Row:
        return {
            "kind": "chat",
            "model": models[number % NUM_OTHERS],
            "deployment_id": first,
            "asked_by": rows.actor.email,
            "key_id": "key",
            "status": 200 if number % 9 else 503,
            "prompt_sha256": "0" * 64,
            "prompt": canonical_json([{"role": "user", "content": "Where is my order? " * 20}]),
            "answer": "It left on Monday. " * 20,
            **dict.fromkeys(numbers, 40),
        }

    rows.add(ModelRequest, NUM_REQUESTS, request)
    return first


def _add_chats(rows: _Rows, models: Sequence[str]) -> str:
    """Chats that were kept, and votes in chats."""
    said = [{"role": role, "content": "Where is my order? " * 5} for role in ("user", "assistant")]

    def chat(number: int) -> Row:
        content = {"messages": said * 50, "sampling": {}}
        return {"title": f"chat {number}", "model": BASE, "content": content}

    def vote(number: int) -> Row:
        pair = [models[number], models[number - 1]]
        return {"models": pair, "verdict": "best", "contestant": 0}

    rows.add(ChatVote, NUM_OTHERS, vote)
    return rows.add(Transcript, NUM_OTHERS, chat)[0]


def _add_entries(rows: _Rows, kind: str, content: Row) -> str:
    """Entries of the library, the first of them with as many versions."""

    def entry(number: int) -> Row:
        version = 1 if number else NUM_OTHERS
        return {"kind": kind, "name": f"{kind}-{number}", "version": version}

    ids = rows.add(Entry, NUM_OTHERS, entry)
    versions = [(ids[0], n + 1) for n in range(NUM_OTHERS)] + [(each, 1) for each in ids[1:]]

    def version(number: int) -> Row:
        entry_id, version = versions[number]
        return {"entry_id": entry_id, "version": version, "content": content}

    rows.add(EntryVersion, len(versions), version)
    return ids[0]


# --- people and machines ---------------------------------------------------------------------


def _add_channels(rows: _Rows) -> str:
    """Channels, and messages to the first."""
    url = "jsons://hooks.example.org/room"
    first = rows.add(Channel, NUM_OTHERS, lambda n: {"name": f"channel-{n}", "url": url})[0]
    sent = {"channel_id": first, "event": {"job_id": "one", "status": "succeeded"}}
    times = {"not_before": rows.now, "sent_at": rows.now}
    rows.add(OutboxMessage, NUM_OTHERS, lambda _: {**sent, **times})
    return first


def _add_people(rows: _Rows) -> None:
    """Members with keys, tenants, workers, and the log of what was changed."""

    def person(number: int) -> Row:
        return {"email": f"person-{number}@example.org", "password_hash": ""}

    def key(number: int) -> Row:
        named = {"name": f"key-{number}", "secret_hash": f"{number}", "hint": "abcd"}
        return {"kind": "key", "person_id": people[number], **named}

    def worker(number: int) -> Row:
        seen = {"started_at": rows.now, "seen_at": rows.now}
        size = {"num_cores": 8, "memory_bytes": 2**34, "num_gpus": 1}
        return {"host": f"host-{number}", "pool": f"pool-{number}", **size, **seen}

    def call(number: int) -> Row:
        made = {"actor": rows.actor.email, "action": "POST /api/v1/jobs", "target": ""}
        return {"seq": 1000 + number, **made, "request_id": f"{number}", "hash": ""}

    people = rows.add(Person, NUM_OTHERS, person)
    rows.add(Member, NUM_OTHERS, lambda n: {"person_id": people[n], "role": "member"})
    rows.add(Key, NUM_OTHERS, key)
    rows.add(Tenant, NUM_OTHERS, lambda n: {"name": f"tenant-{n}"})
    rows.add(Worker, NUM_OTHERS, worker)
    rows.add(Audit, NUM_CALLS, call)
