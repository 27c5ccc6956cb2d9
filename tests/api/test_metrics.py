"""Prometheus' figures: right, without names, and not for everybody."""

from dataclasses import replace
from datetime import timedelta

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from tests.service.installation import cancelled_job, found_owner
from tunesmith.api.app import create_app
from tunesmith.service import channels
from tunesmith.service.config import ServiceConfig
from tunesmith.service.services import Services
from tunesmith.store.tables import Attempt, Job, Worker

TOKEN = "scrape-token"


def samples(text: str) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_of_jobs_messages_workers_and_requests(services: Services) -> None:
    services = replace(services, config=ServiceConfig(metrics_token=SecretStr(TOKEN)))
    owner, founded = found_owner(services)
    url = "json://example.org/"
    channel = channels.add_channel(services, owner.tenant_id, name="ops", url=url)
    job_id = cancelled_job(services, owner, [channel.id])
    now = services.clock()
    with services.database.transaction() as db:
        job = db.get_one(Job, job_id)
        job.started_at = job.created_at + timedelta(seconds=30)
        machine = {"pool": "default", "num_cores": 1, "num_gpus": 0}
        db.add(
            Attempt(
                job_id=job_id,
                token=1,
                tenant_id=owner.tenant_id,
                worker_id="w",
                seconds=12.5,
                **machine,
            )
        )
        for name, seen in {"alive": now, "gone": now - timedelta(hours=1)}.items():
            worker = Worker(id=name, host="h", memory_bytes=1, started_at=now, **machine)
            worker.seen_at = seen
            db.add(worker)
    with TestClient(create_app(services), base_url="http://127.0.0.1") as client:
        bearer = {"authorization": f"Bearer {founded.key}"}
        client.get(f"/api/v1/jobs/{job_id}", headers=bearer)
        client.get("/api/v1/not-there/secret-name")
        answer = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    figures = samples(answer.text)
    assert figures["tunesmith_jobs[('kind', 'pull'), ('status', 'cancelled')]"] == 1
    assert figures["tunesmith_job_wait_seconds_total[('kind', 'pull')]"] == 30
    assert figures["tunesmith_jobs_started_total[('kind', 'pull')]"] == 1
    assert figures["tunesmith_run_seconds_total[('kind', 'pull'), ('pool', 'default')]"] == 12.5
    assert figures["tunesmith_messages[('status', 'waiting')]"] == 1
    assert figures["tunesmith_messages[('status', 'sent')]"] == 0
    assert figures["tunesmith_workers[('pool', 'default')]"] == 1
    count = "tunesmith_request_seconds_count"
    route = "('route', '/api/v1/jobs/{job_id}')"
    assert figures[f"{count}[('method', 'GET'), {route}, ('status', '200')]"] == 1
    assert figures[f"{count}[('method', 'GET'), ('route', 'none'), ('status', '404')]"] == 1
    assert not any(name in answer.text for name in ("acme", job_id, "secret-name", "smollm2"))


def test_only_operators_and_the_token_read_them(services: Services) -> None:
    services = replace(services, config=ServiceConfig(metrics_token=SecretStr(TOKEN)))
    _, founded = found_owner(services)
    keys = {founded.admin_key: 200, TOKEN: 200, founded.key: 403, "wrong": 401, "tökén": 401}
    with TestClient(create_app(services), base_url="http://127.0.0.1") as client:
        assert client.get("/metrics").status_code == 401
        for key, status in keys.items():
            header = {"authorization": f"Bearer {key}".encode()}
            assert client.get("/metrics", headers=header).status_code == status
    without = replace(services, config=ServiceConfig())
    with TestClient(create_app(without), base_url="http://127.0.0.1") as client:
        for key in (TOKEN, ""):
            header = {"authorization": f"Bearer {key}"}
            assert client.get("/metrics", headers=header).status_code == 401
