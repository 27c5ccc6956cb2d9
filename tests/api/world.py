"""An installation with everything in it twice: for tenants that must not see each other."""

import io
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select

from tests.api.engines import SECRET, Engines
from tests.conftest import make_tiny_model
from tests.evaluation.made import commit_comparison, commit_evaluation, exchange
from tests.serving.encoder import make_tiny_encoder
from tunesmith.api.app import Part, create_app
from tunesmith.artifacts import commit_folder
from tunesmith.backends.protocol import LOG
from tunesmith.data.importing import run_import
from tunesmith.data.job import ImportJob
from tunesmith.evaluation.questions import Prompt, Turn
from tunesmith.evaluation.tasks import Task
from tunesmith.jobs.folder import EVENTS, Outcome
from tunesmith.service import (
    channels,
    files,
    keys,
    library,
    people,
    submitting,
    tenants,
    transcripts,
)
from tunesmith.service.access import Actor, authenticate
from tunesmith.service.config import ServiceConfig
from tunesmith.service.job_requests import (
    CompareRequest,
    ContestantRequest,
    EvaluateRequest,
    TrainRequest,
)
from tunesmith.service.preparation import job_folder, prepare_folder
from tunesmith.service.publishing import publish
from tunesmith.service.request_log import Answered, note_request
from tunesmith.service.runs import recipe_of
from tunesmith.service.saved_recipes import save_recipe
from tunesmith.service.services import Services, open_services
from tunesmith.service.shelves import CHARACTERS, PROMPTS, Character, PromptTemplate
from tunesmith.store.home import Home
from tunesmith.store.tables import (
    Alias,
    Deployment,
    DeploymentState,
    InferenceEngine,
    Job,
    Model,
    ModelRequest,
    Pool,
    Role,
    Worker,
    new_id,
)
from tunesmith.training.config import TrainConfig
from tunesmith.training.job import CHECKPOINTS, RESULT

PASSWORD = "correct horse battery"
BASE = "smollm2-135m"  # a tiny model stands in for it
ENCODER = "tiny-encoder"
CANARY = "canary of acme"  # in whatever of acme's has text


@dataclass
class World:
    """Two tenants, and whatever a route may ask for, made anew at every call.

    Attributes:
        services: of the installation.
        client: asks the app, in this process.
        keys: API keys by who holds them; "other" owns the other tenant, "admin" operates.
    """

    services: Services
    client: TestClient
    keys: dict[str, str]
    _engines: Engines = field(default_factory=Engines)
    _numbers: count = field(default_factory=lambda: count(1))  # type: ignore[type-arg]

    def actor(self, who: str) -> Actor:
        actor = authenticate(self.services, self.keys[who])
        assert actor is not None
        return actor

    @property
    def tenant_id(self) -> str:
        return self.actor("owner").tenant_id

    def call(self, who: str, method: str, path: str, **more: Any) -> Any:
        """Ask as `who`: a holder of a key, "none", or "bad key"."""
        headers = dict(more.pop("headers", {}))
        if who != "none":
            headers["authorization"] = f"Bearer {self.keys.get(who, 'ts-' + 'x' * 32)}"
        self.client.cookies.clear()
        return self.client.request(method, path, headers=headers, **more)

    def twin(self, who: str) -> str:
        """A new key of the same holder, for a call that may end it; what is no key stays so."""
        if who not in self.keys:
            return who
        actor = self.actor(who)
        twin = f"twin of {who}"
        with self.services.database.transaction() as db:
            self.keys[twin] = keys.insert_key(
                db,
                actor.person_id,
                actor.tenant_id or None,
                name="twin",
                kind="key",
                now=self.services.clock(),
            )
        return twin

    # --- whatever an id in a path may mean -------------------------------------------------

    def make(self, parameter: str) -> str:
        """Something of acme's for `parameter` of a path to name."""
        return MAKERS[parameter](self)

    def fresh(self, word: str) -> str:
        return f"{word}{next(self._numbers)}"

    def dataset(self, name: str | None = None, *, of: str = "owner") -> str:
        name = name or self.fresh("data")
        home = self.services.home(self.actor(of).tenant_id)
        home.cache.mkdir(parents=True, exist_ok=True)
        source = home.cache / f"{name}.jsonl"
        rows = [
            {"prompt": f"{_text(of)} {name} {n}", "completion": f"answer {n}"} for n in range(9)
        ]
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        job = ImportJob(source=str(source), into=str(home.datasets), scratch=str(home.cache))
        home.point("dataset", name, run_import(job, emit=lambda event: None).id)
        return name

    def file(self, *, of: str = "owner") -> str:
        return files.store_file(
            self.services,
            io.BytesIO(_text(of).encode()),
            filename=f"{_text(of)}.jsonl",
            purpose="fine-tune",
            actor=self.actor(of),
        ).id

    def job(self) -> str:
        """A training that waits."""
        request = TrainRequest(recipe=_recipe(self.fresh("job")))
        return submitting.submit_job(self.services, request, actor=self.actor("owner")).id

    def run(self) -> str:
        """A run that has succeeded, with an event."""
        request = TrainRequest(recipe=_recipe(self.fresh("run")))
        view = submitting.submit_job(self.services, request, actor=self.actor("owner"))
        with self.services.database.transaction() as db:
            job = db.get_one(Job, view.id)
            job.status, job.step, job.total_steps = "succeeded", 1, 1
            folder = job_folder(self.services, job)
        folder.mkdir(parents=True)
        (folder / EVENTS).write_text(json.dumps(_STEP) + "\n")
        (folder / LOG).write_text(f"{folder} {CANARY}\n")
        self._leave_checkpoint(job_id=view.id)
        return view.id

    def _leave_checkpoint(self, *, job_id: str) -> None:
        """What the training of `job_id` would have left after 5 steps."""
        with self.services.database.transaction() as db:
            folder = prepare_folder(self.services, db.get_one(Job, job_id))

        def write(target: Path) -> None:
            (target / "weights").mkdir()
            write_adapter(target / "weights")

        commit_folder(folder / CHECKPOINTS / "step-00000005", kind="checkpoint", write=write)

    def model(self) -> str:
        run_id, model_id = self.run(), new_id("model")
        folder = f"runs/{run_id}/result"
        home = self.services.home(self.tenant_id)
        manifest = commit_folder(
            home.folder / folder,
            kind="adapter",
            write=write_adapter,
        )
        with self.services.database.transaction() as db:
            db.add(
                Model(
                    id=model_id,
                    tenant_id=self.tenant_id,
                    name=self.fresh("model"),
                    version=1,
                    kind="adapter",
                    base=BASE,
                    job_id=run_id,
                    digest=manifest.digest,
                    folder=folder,
                    description=CANARY,
                    created_at=self.services.clock(),
                )
            )
        return model_id

    def comparison(self) -> str:
        """A comparison of two models that has succeeded."""
        prompts = [Prompt(prompt=CANARY)]
        request = CompareRequest(
            models=[ContestantRequest(model=BASE, label=label) for label in ("one", "two")],
            prompts=prompts,
        )
        view = submitting.submit_job(self.services, request, actor=self.actor("owner"))
        with self.services.database.transaction() as db:
            job = db.get_one(Job, view.id)
            job.status = "succeeded"
            folder = job_folder(self.services, job)
        commit_comparison(folder / RESULT, ["one", "two"], [exchange(1, [CANARY, CANARY])])
        return view.id

    def deployment(self, *, of: str = "owner", state: DeploymentState = "stopped") -> str:
        """A deployment of the base model, which nothing keeps."""
        return self.add_deployment(BASE, of=of, state=state).id

    def add_deployment(self, base: str, *, of: str, state: DeploymentState) -> Deployment:
        actor, now = self.actor(of), self.services.clock()
        with self.services.database.transaction() as db:
            wanted = select(InferenceEngine).where(InferenceEngine.base == base)
            engine = db.scalars(wanted).one_or_none()
            if engine is None:
                engine = InferenceEngine(
                    id=new_id("engine"), kind="reference", base=base, pool="default"
                )
                db.add(engine)
                db.flush()
            made = Deployment(
                id=new_id("deployment"),
                tenant_id=actor.tenant_id,
                engine_id=engine.id,
                model=base,
                reference=base,
                state=state,
                message=_text(of),
                notify=[],
                created_by=actor.email,
                created_at=now,
                changed_at=now,
            )
            db.add(made)
            return made

    def served(self, *, of: str, writes: bool = True) -> str:
        """A model that answers in this process: the base, or an encoder; its name."""
        base = BASE if writes else ENCODER
        address = self._engines.address(self.services.installation.models / base)
        made = self.add_deployment(base, of=of, state="ready")
        with self.services.database.transaction() as db:
            engine = db.get_one(InferenceEngine, made.engine_id)
            engine.address, engine.secret = address, SECRET
        return base

    def request(self) -> str:
        """A line of the log of requests to models."""
        answered = Answered(
            kind="chat",
            model=BASE,
            deployment_id="deployment-0",
            status=200,
            seconds=1.0,
            first_token_seconds=None,
            prompt_tokens=1,
            answer_tokens=1,
            prompt=CANARY,
            answer=CANARY,
        )
        note_request(self.services, answered, actor=self.actor("owner"))
        with self.services.database.reading() as db:
            newest = select(ModelRequest.id).order_by(ModelRequest.time.desc())
            return db.scalars(newest.limit(1)).one()

    def evaluation(self) -> str:
        """An evaluation of a model that has succeeded."""
        task = Task(name="facts", prompts=[Prompt(prompt=CANARY, reference="x")])
        request = EvaluateRequest(models=[ContestantRequest(model=BASE)], tasks=[task])
        view = submitting.submit_job(self.services, request, actor=self.actor("owner"))
        with self.services.database.transaction() as db:
            job = db.get_one(Job, view.id)
            job.status = "succeeded"
            folder = job_folder(self.services, job) / RESULT
            manifest = commit_evaluation(
                folder, {CANARY: {"facts/contains": 1.0}}, [exchange(1, [CANARY])]
            )
            outcome = Outcome(kind="evaluate", artifact=str(folder), digest=manifest.digest)
            publish(self.services, db, job, outcome, now=self.services.clock())
        return view.id

    def character(self) -> str:
        content = Character(persona=CANARY)
        actor, name = self.actor("owner"), self.fresh("character")
        return library.add_entry(self.services, CHARACTERS, actor, name=name, content=content).id

    def prompt(self) -> str:
        content = PromptTemplate(template=f"{CANARY} {{{{prompt}}}}")
        actor, name = self.actor("owner"), self.fresh("prompt")
        return library.add_entry(self.services, PROMPTS, actor, name=name, content=content).id

    def transcript(self, *, of: str = "owner") -> str:
        turns = [Turn(role="user", content=_text(of)), Turn(role="assistant", content="yes")]
        chat = transcripts.ChatToKeep(title=_text(of), model=BASE, messages=turns)
        return transcripts.keep_chat(self.services, self.actor(of), chat).transcript.id

    def alias(self) -> str:
        name, model_id = self.fresh("alias"), self.model()
        with self.services.database.transaction() as db:
            db.add(Alias(tenant_id=self.tenant_id, name=name, model_id=model_id))
        return name

    def recipe(self) -> str:
        """A recipe that is kept by name."""
        name, values = self.fresh("recipe"), {"name": "x", "model": BASE, "data": {"train": "x"}}
        save_recipe(self.services, name, recipe_of(values), actor=self.actor("owner"))
        return name

    def channel(self) -> str:
        """A channel that may not be connected to."""
        name, url = self.fresh("channel"), "json://127.0.0.1:9/"
        return channels.add_channel(self.services, self.tenant_id, name=name, url=url).id

    def key(self) -> str:
        made = keys.add_key(
            self.services, self.actor("member"), name=self.fresh("key"), permissions=None, days=1
        )
        return made.key.id

    def person(self) -> str:
        """A member of acme's."""
        email = f"{self.fresh('person')}@example.org"
        return people.add_member(
            self.services, self.tenant_id, email=email, role="viewer", password=PASSWORD
        ).person_id

    def tenant(self) -> str:
        name = self.fresh("tenant")
        return tenants.add_tenant(
            self.services, name, owner=f"{name}@example.org", password=PASSWORD, quotas={}
        ).id

    def pool(self) -> str:
        name = self.fresh("pool")
        with self.services.database.transaction() as db:
            db.add(Pool(name=name))
        return name

    def worker(self) -> str:
        worker_id, now = new_id("worker"), self.services.clock()
        with self.services.database.transaction() as db:
            db.add(
                Worker(
                    id=worker_id,
                    host="secret-host",
                    pool="default",
                    num_cores=1,
                    memory_bytes=1,
                    num_gpus=0,
                    started_at=now,
                    seen_at=now - timedelta(hours=1),
                )
            )
        return worker_id


def _recipe(name: str) -> TrainConfig:
    return recipe_of({"name": name, "model": BASE, "data": {"train": "questions"}})


_STEP = {
    "seq": 1,
    "time": "2026-11-24T06:00:00.000+00:00",
    "kind": "step",
    "step": 1,
    "epoch": 1.0,
    "loss": 1.5,
    "learning_rate": 1e-4,
    "grad_norm": 0.5,
    "num_tokens": 10,
    "num_trained_tokens": 5,
    "accuracy": 0.5,
    "seconds": 0.1,
}

MAKERS: Mapping[str, Callable[[World], str]] = {
    "alias": World.alias,
    "channel_id": World.channel,
    "character_id": World.character,
    "comparison_id": World.comparison,
    "dataset": World.dataset,
    "deployment_id": World.deployment,
    "evaluation_id": World.evaluation,
    "file_id": World.file,
    "job_id": World.job,
    "key_id": World.key,
    "model": World.model,
    "model_id": World.model,
    "month": lambda world: "2026-11",
    "number": lambda world: "1",
    "person_id": World.person,
    "pool": World.pool,
    "request_id": World.request,
    "prompt_id": World.prompt,
    "recipe_name": World.recipe,
    "run_id": World.run,
    "step": lambda world: "5",
    "tenant_id": World.tenant,
    "transcript_id": World.transcript,
    "worker_id": World.worker,
}


@contextmanager
def scratch_folder() -> Generator[Path]:
    """A folder in memory where the machine has one: thousands of small durable writes go there."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def make_world(folder: Path, *, part: Part = "everything", **settings: Any) -> World:
    """An installation in `folder` with the tenants acme and other, and a base model."""
    installation = Home(folder)
    services = open_services(ServiceConfig(**settings), installation)
    secret = people.ensure_setup_secret(services)
    assert secret is not None
    founded = people.found(
        services, secret=secret, email="ann@example.org", password=PASSWORD, tenant="acme"
    )
    first = authenticate(services, founded.key)
    assert first is not None
    other = tenants.add_tenant(
        services, "other", owner="oz@example.org", password=PASSWORD, quotas={}
    )
    held = {"owner": founded.key, "admin": founded.admin_key}
    roles: tuple[Role, ...] = ("viewer", "member")
    for role in roles:
        held[role] = key_of_new_member(services, first.tenant_id, role)
    held["other"] = key_of_new_member(services, other.id, "owner")
    commit_folder(installation.models / BASE, kind="base-model", write=make_tiny_model_at)
    commit_folder(installation.models / ENCODER, kind="base-model", write=make_tiny_encoder)
    client = TestClient(
        create_app(services, part=part), base_url="http://localhost", raise_server_exceptions=False
    )
    world = World(services, client, held)
    for owner in ("owner", "other"):
        world.dataset("questions", of=owner)
        world.transcript(of=owner)
    world.evaluation()
    return world


def _text(owner: str) -> str:
    return CANARY if owner == "owner" else "nobody's secret"


def write_adapter(folder: Path) -> None:
    (folder / "adapter.safetensors").write_text(CANARY)
    base = {"reference": BASE, "digest": "0" * 64, "folder": str(folder)}
    (folder / "tunesmith.json").write_text(json.dumps({"base": base}))
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(folder)})
    )


def make_tiny_model_at(folder: Path) -> None:
    make_tiny_model(folder)


def key_of_new_member(services: Services, tenant_id: str, role: Role) -> str:
    member = people.add_member(
        services, tenant_id, email=f"{role}.{tenant_id}@example.org", role=role, password=PASSWORD
    )
    with services.database.transaction() as db:
        return keys.insert_key(
            db, member.person_id, tenant_id, name="t", kind="key", now=services.clock()
        )
