"""Engines of workers on other machines: other addresses of loopback stand in for those."""

import signal
import subprocess
import sys
from collections.abc import Generator

import httpx2
import openai
import psutil
import pytest
from openai import OpenAI
from sqlalchemy import select

from tests.api.deployed import Deployer, engine_processes, wait_for
from tests.api.serving import BASE, Served, serving
from tests.cli.command import environment_for
from tunesmith.store.tables import InferenceEngine

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2", "127.0.0.3"]),
]

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serving(tmp_path_factory.mktemp("served"), "server") as running:
        _start_worker(running, "worker-a", at="127.0.0.2")
        yield running


def _start_worker(served: Served, name: str, *, at: str) -> None:
    served.settings = {"TUNESMITH_ENGINE_HOST": at}
    served.start(name)


@pytest.fixture(scope="module")
def deployment(served: Served) -> Generator[str]:
    deployer = Deployer(served, served.key)
    yield deployer.ready(BASE)
    deployer.close()


def _engine(served: Served) -> InferenceEngine:
    with served.services.database.reading() as db:
        return db.scalars(select(InferenceEngine)).one()


def _say(client: OpenAI) -> str:
    answer = client.chat.completions.create(model=BASE, messages=HELLO, temperature=0, max_tokens=8)
    return answer.choices[0].message.content or ""


def _status(address: str | None, secret: str | None) -> int:
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    return httpx2.get(f"{address}/v1/models", headers=headers).status_code


def test_it_answers_at_its_workers_address_to_who_knows_its_secret(
    served: Served, owner: OpenAI, deployment: str
) -> None:
    assert _say(owner)
    [process] = engine_processes(served)
    listening = {
        each.laddr.ip
        for each in psutil.Process(process).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.2"}
    engine = _engine(served)
    assert _status(engine.address, engine.secret) == 200
    assert _status(engine.address, None) == _status(engine.address, "guessed") == 401
    body = {"lora_name": "x", "lora_path": str(served.home)}
    assert httpx2.post(f"{engine.address}/v1/load_lora_adapter", json=body).status_code == 401
    command = psutil.Process(process).cmdline()
    logs = [path.read_text("utf-8") for path in served.home.rglob("*log*") if path.is_file()]
    assert [text for text in (*command, *logs) if engine.secret in text] == []


def test_a_secret_that_another_process_has_is_looked_up_anew(
    served: Served, owner: OpenAI, deployment: str
) -> None:
    engine = _engine(served)
    _set_secret(served, "of the process before")
    with pytest.raises(openai.InternalServerError, match="does not answer"):
        _say(owner.with_options(max_retries=0))
    _set_secret(served, engine.secret)
    assert _say(owner)


def _set_secret(served: Served, secret: str) -> None:
    with served.services.database.transaction() as db:
        db.scalars(select(InferenceEngine)).one().secret = secret


def test_the_server_comes_back_and_a_lost_workers_engine_moves_to_another(
    served: Served, owner: OpenAI, deployment: str
) -> None:
    before, first = _say(owner), _engine(served)
    served.end("server")
    served.start("server")
    assert _say(owner) == before

    listener = OpenAI(base_url=f"{served.address}/v1", api_key=served.key)
    stream = listener.chat.completions.create(
        model=BASE, messages=HELLO, max_tokens=900, n=16, stream=True
    )
    next(stream)
    served.end("worker-a", by=signal.SIGKILL)
    with pytest.raises(openai.APIError, match="ended before its answer"):
        for _ in stream:
            pass
    listener.close()
    _start_worker(served, "worker-b", at="127.0.0.3")
    wait_for(lambda: "127.0.0.3" in (_engine(served).address or ""), what="the other worker")
    second = _engine(served)
    assert _status(second.address, second.secret) == 200
    assert _status(second.address, first.secret) == 401
    with pytest.raises(httpx2.ConnectError):
        _status(first.address, first.secret)
    deployer = Deployer(served, served.key)
    deployer.wait(deployment)
    deployer.close()
    assert _say(owner) == before


@pytest.mark.parametrize(
    ("host", "why"),
    [("192.0.2.1", "cannot be listened on"), ("0.0.0.0", "is every address of this machine")],
)
def test_an_address_that_is_no_workers_own_is_refused_at_its_start(
    served: Served, host: str, why: str
) -> None:
    worker = subprocess.run(
        [sys.executable, "-m", "tunesmith.cli.main", "worker"],
        env={**environment_for(served.home), "TUNESMITH_ENGINE_HOST": host},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert worker.returncode == 2
    assert f"engine_host {host} {why}" in worker.stderr
    assert "Traceback" not in worker.stderr
