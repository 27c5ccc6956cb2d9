"""Twenty planted secrets show up nowhere: not in logs, answers, job folders, processes (X16)."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError

from tests.api.serving import OWNER, PASSWORD, Served, serving
from tests.service.installation import found_owner
from tunesmith.errors import DatabaseUnavailable
from tunesmith.service.config import ServiceConfig
from tunesmith.service.services import Services, open_services
from tunesmith.store.home import Home
from tunesmith.store.tables import Channel

ENVIRONMENT = {
    name: f"planted-{name.lower()}"
    for name in (
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "OPENAI_API_KEY",
        "WANDB_API_KEY",
        "MLFLOW_TRACKING_PASSWORD",
        "TUNESMITH_METRICS_TOKEN",
    )
}
IN_ADDRESSES = {
    name: f"planted{name}0123456789"
    for name in ("path", "header", "basic", "query", "mail", "mailquery", "feishu")
}
DINGTALK = "d" * 28 + "feedbeef"


def test_secrets_show_up_nowhere(tmp_path: Path) -> None:
    settings = {**ENVIRONMENT, "TUNESMITH_ALLOW_PRIVATE_ADDRESSES": "true"}
    with serving(tmp_path, "server", "worker", settings=settings) as served:
        service = Caller(served)
        with watched_processes() as seen:
            shown = use(service)
        wrong = log_in_wrongly(service)
    secrets = [
        *ENVIRONMENT.values(),
        *IN_ADDRESSES.values(),
        DINGTALK,
        served.key,
        served.admin_key,
        *shown,
        *wrong,
        PASSWORD,
    ]
    assert len(set(secrets)) >= 20
    assert seen.environments, "no job process was seen"
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert {"server.log", "worker.log"} <= {path.name for path in kept}
    databases = [path for path in kept if path.name.startswith("tunesmith.db")]
    assert databases
    places = {str(path): text_of(path) for path in kept if path not in databases} | {
        "answers": "\n".join(service.answers),
        "commands": "\n".join(seen.commands),
        "environments of jobs": "\n".join(seen.environments),
    }
    found = [
        (place, secret) for place, text in places.items() for secret in secrets if secret in text
    ]
    assert not found
    # The database keeps addresses of channels, since it must, but no key and no password.
    in_database = "".join(map(text_of, databases))
    assert IN_ADDRESSES["path"] in in_database
    assert not [each for each in (served.key, *shown, *wrong, PASSWORD) if each in in_database]


@dataclass
class Caller:
    """Calls a service and keeps what it answers."""

    served: Served
    answers: list[str] = field(default_factory=list[str])

    @property
    def address(self) -> str:
        return self.served.address

    def call(self, method: str, path: str, **body: Any) -> Any:
        headers = {"authorization": f"Bearer {self.served.key}"}
        url = f"{self.address}/api/v1{path}"
        answer = httpx2.request(method, url, headers=headers, timeout=60, **body)
        self.answers.append(answer.text)
        answer.raise_for_status()
        return answer.json()

    def wait_for(self, job_id: str) -> None:
        while self.call("GET", f"/jobs/{job_id}")["status"] not in ("succeeded", "failed"):
            time.sleep(0.2)  # the test's own time limit ends it


def text_of(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def use(service: Caller) -> list[str]:
    """Do what people do with secrets at hand; return those that were made."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # nobody listens there
    at = IN_ADDRESSES
    urls = {
        "hook": f"json://ada:{at['basic']}@127.0.0.1:{port}/{at['path']}"
        f"?+X-Key={at['header']}&token={at['query']}",
        "mail": f"mailto://ada:{at['mail']}@127.0.0.1:{port}?from=a@b.org&to=c@d.org&mode=insecure",
        "mail2": f"mailto://127.0.0.1:{port}?user=ada&pass={at['mailquery']}"
        "&from=a@b.org&to=c@d.org&mode=insecure",
    }
    made = [
        service.call("POST", "/channels", json={"name": name, "url": url})["id"]
        for name, url in urls.items()
    ]
    for name, url in {"ding": f"dingtalk://{DINGTALK}", "fei": f"feishu://{at['feishu']}"}.items():
        service.call("POST", "/channels", json={"name": name, "url": url})
    for channel in made:
        assert not service.call("POST", f"/channels/{channel}/test")["delivered"]
    key = service.call("POST", "/keys", json={"name": "narrow", "permissions": ["read"]})
    service.answers.pop()  # the one answer that shows it
    rows = b'{"prompt": "a", "completion": "b"}\n' * 3
    file = service.call("POST", "/files", files={"file": ("rows.jsonl", rows)})
    for name, wanted in {"good": {}, "bad": {"format": "sharegpt"}}.items():
        job = {"kind": "import", "name": name, "file": file["id"], **wanted}
        body = {"job": job, "options": {"notify": made}}
        service.wait_for(service.call("POST", "/jobs", json=body)["id"])
    for channel in made:
        assert service.call("GET", f"/channels/{channel}/deliveries")["data"]
    for path in ("/jobs", "/keys", "/channels", "/files"):
        service.call("GET", path)
    return [key["secret"]]


def log_in_wrongly(service: Caller) -> list[str]:
    """Secrets that are mistyped are secrets still."""
    password, key = f"{PASSWORD}-mistyped", f"{service.served.key[:-1]}-mistyped"
    body = {"email": OWNER, "password": password}
    refused = httpx2.post(f"{service.address}/api/v1/sessions", json=body)
    unknown = httpx2.get(f"{service.address}/api/v1/me", headers={"authorization": f"Bearer {key}"})
    assert refused.status_code == unknown.status_code == 401
    right = httpx2.post(f"{service.address}/api/v1/sessions", json={**body, "password": PASSWORD})
    assert right.status_code == 201
    service.answers += [refused.text, unknown.text, right.text]
    return [password, key, right.cookies["tunesmith_session"]]


class Seen:
    """What the list of processes told of a service."""

    def __init__(self) -> None:
        self.commands: set[str] = set()
        self.environments: set[str] = set()


@contextmanager
def watched_processes() -> Iterator[Seen]:
    seen, stop = Seen(), threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    command = " ".join(process.cmdline())
                    seen.commands.add(command)
                    if "tunesmith.jobs.run" in command:
                        seen.environments.add(str(process.environ()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def test_the_database_password_is_in_no_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"postgresql://ada:planted-password@127.0.0.1:{port}/x"
    config = ServiceConfig(database=SecretStr(address))
    with pytest.raises(DatabaseUnavailable) as failed:
        open_services(config, Home(tmp_path))
    assert "planted" not in f"{failed.value} {config!r} {config}"


def test_errors_of_the_database_hold_no_values(services: Services) -> None:
    owner, _ = found_owner(services)
    row = {"tenant_id": owner.tenant_id, "name": "ops", "created_at": services.clock()}
    twins = [Channel(id=f"channel-{n}", url="json://host/planted-token", **row) for n in range(2)]
    with services.database.transaction() as db:
        db.add_all(twins)
        with pytest.raises(IntegrityError) as failed:
            db.flush()
        db.rollback()
    assert "planted" not in str(failed.value)
