"""Engines change hands under their token, and deployments move as they may."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tunesmith.errors import LeaseLost
from tunesmith.service.config import ServiceConfig
from tunesmith.service.request_log import sweep_log
from tunesmith.service.services import Services
from tunesmith.store.database import Database
from tunesmith.store.engines import (
    held_engines,
    let_go_of_engine,
    live_on,
    make_ready,
    move_deployment,
    take_engine,
    take_engine_back,
    write_engine,
)
from tunesmith.store.home import Home
from tunesmith.store.tables import (
    Channel,
    Deployment,
    InferenceEngine,
    ModelRequest,
    OutboxMessage,
    Tenant,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def engine(database: Database) -> InferenceEngine:
    """An engine that nobody keeps, and a tenant with a channel."""
    made = InferenceEngine(id="engine-1", kind="reference", base="smollm2-135m", pool="default")
    with database.transaction() as db:
        db.add(Tenant(id="t", name="acme", created_at=NOW))
        db.add(made)
        db.flush()
        db.add(Channel(id="c", tenant_id="t", name="ops", url="json://x", created_at=NOW))
    return made


def _deploy(database: Database, id: str, *, model: str, alias: str | None = None) -> None:
    with database.transaction() as db:
        db.add(
            Deployment(
                id=id,
                tenant_id="t",
                engine_id="engine-1",
                model=model,
                reference=alias or model,
                alias=alias,
                state="deploying",
                notify=["c"],
                created_by="ann@example.org",
                created_at=NOW,
                changed_at=NOW,
            )
        )


def _states(database: Database) -> dict[str, str]:
    with database.reading() as db:
        return {each.id: each.state for each in db.scalars(select(Deployment))}


def test_a_worker_that_lost_an_engine_writes_nothing(
    database: Database, engine: InferenceEngine
) -> None:
    _deploy(database, "d", model="one")
    with database.transaction() as db:
        first = take_engine(db, engine, worker_id="a", memory_bytes=5)
        assert first is not None
        assert take_engine(db, engine, worker_id="b", memory_bytes=5) is None
        write_engine(db, first, address="http://here")
        make_ready(db, live_on(db, engine.id)[0], now=NOW)
    with database.transaction() as db:
        [(lease, beat)] = held_engines(db)
        assert lease == first
        assert not take_engine_back(db, lease, seen_beat=beat - 1, now=NOW)
        assert take_engine_back(db, lease, seen_beat=beat, now=NOW)
    assert _states(database) == {"d": "deploying"}
    with pytest.raises(LeaseLost), database.transaction() as db:
        write_engine(db, first, address="http://there")
    with pytest.raises(LeaseLost), database.transaction() as db:
        let_go_of_engine(db, first, now=NOW)
    with database.reading() as db:
        found = db.get_one(InferenceEngine, engine.id)
        assert (found.worker_id, found.address, found.memory_bytes) == (None, None, 0)
        second = take_engine(db, found, worker_id="b", memory_bytes=5)
        assert second is not None
        assert second.token > first.token


def test_who_follows_an_alias_takes_its_place_and_people_hear_of_it(
    database: Database, engine: InferenceEngine
) -> None:
    _deploy(database, "old", model="one", alias="prod")
    _deploy(database, "other", model="one")
    _deploy(database, "new", model="two", alias="prod")
    for id in ("old", "other", "new"):
        with database.transaction() as db:
            make_ready(db, db.get_one(Deployment, id), now=NOW)
    assert _states(database) == {"old": "stopped", "other": "ready", "new": "ready"}
    with database.transaction() as db:
        assert move_deployment(db, "old", to="ready", now=NOW) is None  # only what is on its way
        move_deployment(db, "new", to="failed", now=NOW, message="no room", hint="stop one")
    with database.reading() as db:
        told = {message.id: message.event for message in db.scalars(select(OutboxMessage))}
    statuses = sorted((event["job_id"], event["seq"], event["status"]) for event in told.values())
    assert statuses == [
        ("new", 1, "ready"),
        ("new", 2, "failed"),
        ("old", 1, "ready"),
        ("old", 2, "stopped"),
        ("other", 1, "ready"),
    ]
    assert told["new-2-c"]["hint"] == "stop one"


def test_old_lines_of_the_log_are_swept(
    database: Database, engine: InferenceEngine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with database.transaction() as db:
        db.get_one(Tenant, "t").log_days = 7
        for days in (1, 6, 8):
            db.add(
                ModelRequest(
                    id=f"r{days}",
                    tenant_id="t",
                    time=NOW - timedelta(days=days),
                    kind="chat",
                    model="one",
                    deployment_id="d",
                    asked_by="ann@example.org",
                    key_id="k",
                    status=200,
                    milliseconds=1.0,
                    prompt_tokens=1,
                    answer_tokens=1,
                    prompt_characters=1,
                    answer_characters=1,
                    prompt_sha256="",
                )
            )
    home = Home(tmp_path_factory.mktemp("home"))
    sweep_log(Services(ServiceConfig(), database, home, clock=lambda: NOW))
    with database.reading() as db:
        assert set(db.scalars(select(ModelRequest.id))) == {"r1", "r6"}
