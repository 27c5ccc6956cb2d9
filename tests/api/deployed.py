"""Models in the registry without training them, and waiting for deployments."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psutil
from sqlalchemy import select

from tests.api.serving import BASE, TENANT, Served
from tests.serving.adapters import make_adapter
from tunesmith.artifacts import commit_folder, write_json
from tunesmith.modeling.answer import SETTINGS
from tunesmith.service.inference import find_route
from tunesmith.service.services import Services
from tunesmith.store.tables import Model, Tenant, new_id

PATIENCE_SECONDS = 180.0  # an engine that is the first on its machine compiles its kernels


def register(
    services: Services,
    folder: Path,
    *,
    name: str,
    kind: str = "adapter",
    base: str = BASE,
    version: int = 1,
    tenant: str = TENANT,
    system_prompt: str = "",
) -> str:
    """Put the model in `folder` into a tenant's registry; its id."""
    with services.database.transaction() as db:
        tenant_id = db.scalars(select(Tenant.id).where(Tenant.name == tenant)).one()
        model_id = f"ft:{BASE}:{tenant}:{name}:{new_id('x')[-12:]}"
        where = f"runs/{new_id('train')}/result"

        def write(target: Path) -> None:
            shutil.copytree(folder, target, dirs_exist_ok=True)
            write_json(target / SETTINGS, {"system_prompt": system_prompt})

        manifest = commit_folder(services.home(tenant_id).folder / where, kind=kind, write=write)
        db.add(
            Model(
                id=model_id,
                tenant_id=tenant_id,
                name=name,
                version=version,
                kind=kind,
                base=base,
                digest=manifest.digest,
                folder=where,
                created_at=services.clock(),
            )
        )
    return model_id


def make_and_register(
    services: Services, scratch: Path, *, name: str, seed: int, kind: str = "lora", **more: Any
) -> str:
    """A random adapter of its own seed, strong enough to be told apart, in the registry."""
    base = services.installation.models / BASE
    folder = make_adapter(base, scratch / f"{name}-{seed}", kind=kind, seed=seed, scale=0.5)
    return register(services, folder, name=name, **more)


def wait_for(found: Callable[[], Any], *, what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """The first answer that is not nothing."""
    deadline = time.monotonic() + seconds
    while True:
        answer = found()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)


def engine_processes(served: Served) -> list[int]:
    """The ids of the processes that serve its deployments."""
    found: list[int] = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        words = process.info["cmdline"] or []
        is_engine = "tunesmith.jobs.serve" in words and any(str(served.home) in w for w in words)
        if is_engine and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.info["pid"])
    return found


def num_running(served: Served, model: str) -> int:
    """Answers under way in the engine that answers for a model of the first tenant."""
    with served.services.database.reading() as db:
        tenant_id = db.scalars(select(Tenant.id).where(Tenant.name == TENANT)).one()
    route = find_route(served.services, tenant_id, model)
    headers = {"authorization": f"Bearer {route.secret}"}
    figures = httpx2.get(f"{route.address}/metrics", headers=headers).text
    return int(figures.split("num_running ")[1].split()[0])


class Deployer:
    """A tenant's side of the API for deployments."""

    def __init__(self, served: Served, key: str) -> None:
        self._client = httpx2.Client(
            base_url=f"{served.address}/api/v1",
            headers={"authorization": f"Bearer {key}"},
            timeout=30,
        )

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, **more: Any) -> httpx2.Response:
        return self._client.request(method, path, **more)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        response = self.call(method, path, **more)
        assert response.status_code < 300, response.text
        return response.json() if response.content else None

    def deploy(self, model: str, **more: Any) -> str:
        return self.ask("POST", "/deployments", json={"model": model, **more})["id"]

    def see(self, deployment: str) -> dict[str, Any]:
        return self.ask("GET", f"/deployments/{deployment}")

    def wait(self, deployment: str, state: str = "ready") -> dict[str, Any]:
        """The deployment as soon as it is in `state`; another end is none."""

        def reached() -> dict[str, Any] | None:
            seen = self.see(deployment)
            ended = seen["state"] in ("failed", "stopped") and seen["state"] != state
            assert not ended, seen
            return seen if seen["state"] == state else None

        return wait_for(reached, what=f"{deployment} to be {state}")

    def ready(self, model: str, **more: Any) -> str:
        """Deploy and wait until it answers."""
        deployment = self.deploy(model, **more)
        self.wait(deployment)
        return deployment
