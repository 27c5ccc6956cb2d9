"""The command line against a real server with a real worker."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from tests.api.serving import BASE, OWNER, PASSWORD, TENANT, Served, free_port, serving
from tests.cli.remotely import command, environment, remote
from tests.service.receivers import web_receiver
from tests.serving.adapters import make_adapter
from tunesmith.service.config import ServiceConfig
from tunesmith.service.services import open_services
from tunesmith.store.home import Home
from tunesmith.store.tables import Model, Tenant

pytestmark = pytest.mark.timeout(300)  # real trainings, on a machine that does other things

ROWS = [{"prompt": f"say {n}", "completion": f"the answer is {n}"} for n in range(24)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = {"TUNESMITH_ALLOW_PRIVATE_ADDRESSES": "true"}
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, "server", "worker", settings=settings) as served:
        (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
        done = remote(served, "data", "import", folder / "rows.jsonl", "--name", "talks")
        assert done.code == 0, done.err
        assert "24 of 24 rows" in done.out
        yield served


def recipe(folder: Path, name: str, *, epochs: int) -> Path:
    path = folder / f"{name}.yaml"
    training = f"{{epochs: {epochs}, batch_size: 1}}"
    path.write_text(
        f"{{name: {name}, model: {BASE}, data: {{train: talks}}, training: {training}}}"
    )
    return path


def test_datasets(served: Served, tmp_path: Path) -> None:
    split = remote(served, "data", "split", "talks", "--names", "most,rest", "--percent", "25")
    assert split.code == 0, split.err
    listed = json.loads(remote(served, "data", "list", "--json").out)
    assert {each["name"] for each in listed} == {"talks", "most", "rest"}
    shown = remote(served, "data", "show", "rest")
    assert "6 of 6 rows" in shown.out
    mixed = remote(served, "data", "mix", "rest", "most", "--model", BASE, "--name", "mixed")
    assert "general" in mixed.out, mixed.err
    assert "mixed" in remote(served, "data", "show", "mixed").out
    assert remote(served, "data", "delete", "mixed").code == 0
    differs = remote(served, "data", "diff", "talks", "most")
    assert "6 removed" in differs.out
    preview = remote(served, "data", "preview", "talks", "--limit", "1", "--json")
    assert json.loads(preview.out)[0]["row"] == 1
    file = tmp_path / "out.jsonl"
    assert "24 examples" in remote(served, "data", "export", "talks", file).out
    assert len(file.read_text().splitlines()) == 24
    again = remote(served, "data", "export", "talks", file)
    assert again.code == 2
    assert "exists" in again.err
    assert remote(served, "data", "delete", "rest").code == 0
    assert remote(served, "data", "show", "rest").code == 2


def test_a_run_from_plan_to_log(served: Served, tmp_path: Path) -> None:
    path = recipe(tmp_path, "quick", epochs=1)
    plan = remote(served, "train", path, "--plan", "--json")
    assert json.loads(plan.out)["num_examples"] == 22  # two are held out
    with web_receiver() as hook:
        url = f"json://127.0.0.1:{hook.port}/room"
        assert remote(served, "channels", "add", "ops", typed=f"{url}\n").code == 0
        tried = remote(served, "channels", "test", "ops")
        assert tried.code == 0, tried.err
        trained = remote(served, "train", path, "--notify", "ops")
        assert trained.code == 0, trained.err
        deadline = time.monotonic() + 30
        while "is done" not in str(hook.bodies) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "is done" in str(hook.bodies)
    assert "run quick finished" in trained.out
    runs = json.loads(remote(served, "runs", "list", "--json").out)
    quick = next(run for run in runs if run["name"] == "quick")
    assert (quick["status"], quick["step"]) == ("succeeded", quick["total_steps"])
    assert "loss by step" in remote(served, "runs", "show", "quick").out
    assert remote(served, "runs", "logs", "quick").code == 0
    assert quick["id"] in remote(served, "jobs", "list").out
    assert "core hours" in remote(served, "jobs", "show", "quick").out
    renamed = remote(served, "runs", "rename", "quick", "quick-one")
    assert renamed.code == 0, renamed.err
    assert "run quick-one" in remote(served, "runs", "show", quick["id"]).out
    refused = remote(served, "runs", "rename", "quick-one", "no/path")
    assert (refused.code, "no/path" in refused.err) == (2, True)
    longer = remote(served, "runs", "extend", "quick-one", "--epochs", "1", "--name", "longer")
    assert longer.code == 0, longer.err
    assert "run longer finished" in longer.out


def test_what_is_tried_is_a_run_each(served: Served, tmp_path: Path) -> None:
    path = recipe(tmp_path, "tried", epochs=1)
    queued = remote(served, "train", path, "--try", "training.learning_rate=1e-4 | 3e-4")
    assert queued.code == 0, queued.err
    for number in (1, 2):
        assert f"run tried-{number} (ftjob-" in queued.out
        assert remote(served, "runs", "follow", f"tried-{number}").code == 0


def test_an_alias_is_set_moved_and_removed(served: Served) -> None:
    with served.services.database.transaction() as db:
        tenant = db.scalars(select(Tenant).where(Tenant.name == TENANT)).one()
        for version in (1, 2):
            db.add(
                Model(
                    id=f"model-{version}",
                    tenant_id=tenant.id,
                    name="shop",
                    version=version,
                    kind="adapter",
                    base=BASE,
                    digest="",
                    folder="runs/none/result",
                    created_at=served.services.clock(),
                )
            )
    assert remote(served, "aliases", "set", "prod", "shop@1").code == 0
    moved = remote(served, "aliases", "set", "prod", "shop", "--instead-of", "shop@1")
    assert moved.out == "prod points to shop@2\n"
    again = remote(served, "aliases", "set", "prod", "shop", "--instead-of", "shop@1")
    assert "does not point to shop@1 any more" in again.err
    assert "shop@2" in remote(served, "aliases", "list").out
    assert remote(served, "aliases", "remove", "prod").code == 0
    history = json.loads(remote(served, "aliases", "history", "prod", "--json").out)
    assert [(each["from_model"], each["to_model"]) for each in history] == [
        ("shop@2", None),
        ("shop@1", "shop@2"),
        (None, "shop@1"),
    ]


def test_a_model_made_elsewhere_is_imported_exported_and_deleted(
    served: Served, tmp_path: Path
) -> None:
    base = served.services.installation.models / BASE
    made_there = make_adapter(base, tmp_path / "made", kind="lora", seed=1)
    config = json.loads((made_there / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "their/base"
    (made_there / "adapter_config.json").write_text(json.dumps(config))
    archive = shutil.make_archive(str(tmp_path / "made"), "zip", tmp_path / "made")
    refused = remote(served, "registry", "import", archive, "--name", "guest")
    assert (refused.code, "which is not here" in refused.err) == (2, True)
    done = remote(served, "registry", "import", archive, "--name", "guest", "--base", BASE)
    assert done.code == 0, done.err
    assert "1 files of the archive are left out: README.md" in done.out
    [made] = [
        each
        for each in json.loads(remote(served, "registry", "list", "--json").out)
        if each["name"] == "guest"
    ]
    assert (made["version"], made["kind"], made["base"], made["run"]) == (1, "adapter", BASE, None)
    assert f"guest@1 is here (adapter, {BASE}): {made['id']}" in done.out
    exported = tmp_path / "guest.tar"
    assert remote(served, "registry", "export", made["id"], exported).code == 0
    again = remote(served, "registry", "import", exported, "--name", "guest", "--json")
    assert json.loads(again.out)["digest"] == made["digest"]
    assert json.loads(again.out)["version"] == 2
    assert remote(served, "registry", "delete", made["id"]).code == 0
    assert made["id"] not in remote(served, "registry", "list").out


def test_who_stops_watching_stops_nothing(served: Served, tmp_path: Path) -> None:
    path = recipe(tmp_path, "long", epochs=50)
    watching = start(served, "train", path)
    wait_for_step(served, "long")
    assert watching.poll() is None
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=30)
    assert watching.returncode == 130
    assert "goes on at" in said
    assert "tunesmith runs follow" in said
    paused = remote(served, "runs", "pause", "long")
    assert paused.code == 0, paused.err
    followed = remote(served, "runs", "follow", "long")
    assert "run long is paused" in followed.out
    shown = json.loads(remote(served, "runs", "show", "long", "--json").out)
    steps = [str(step) for step in shown["checkpoints"]]
    step = steps[-1]
    assert "is pinned" in remote(served, "runs", "pin", "long", step).out
    assert f"{step} (pinned)" in remote(served, "runs", "show", "long").out
    assert "is no longer pinned" in remote(served, "runs", "pin", "long", step, "--off").out
    refused = remote(served, "runs", "pin", "long", "999999")
    assert f"there are: {', '.join(steps)}" in refused.err
    resumed = start(served, "runs", "resume", "long")
    wait_for(served, "long", lambda job: job["status"] != "paused")
    assert remote(served, "runs", "cancel", "long").code == 0
    _, said = resumed.communicate(timeout=60)
    assert resumed.returncode == 1
    assert "it was cancelled" in said


def test_following_outlives_the_server(served: Served, tmp_path: Path) -> None:
    watching = start(served, "train", recipe(tmp_path, "steady", epochs=10))
    wait_for_step(served, "steady")
    served.end("server", by=signal.SIGKILL)
    assert watching.stderr is not None
    assert any("dropped; trying again" in line for line in watching.stderr)
    served.start("server")
    out, said = watching.communicate(timeout=100)
    assert watching.returncode == 0, said
    assert "run steady finished" in out


def start(served: Served, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments),
        env=environment(served),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_step(served: Served, name: str) -> None:
    wait_for(served, name, lambda job: job["status"] == "running" and job["step"] > 0)


def wait_for(served: Served, name: str, holds: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + 60
    headers = {"authorization": f"Bearer {served.key}"}
    found = ""
    while time.monotonic() < deadline:
        url = f"{served.address}/api/v1/jobs?name={name}&limit=1"
        found = httpx2.get(url, headers=headers).text
        if any(map(holds, json.loads(found)["data"])):
            return
        time.sleep(0.1)
    raise AssertionError(f"{name}: {found}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("serve", BASE), "serve works on this machine only"),
        (("evaluate", BASE, "--harness", "."), "--harness works on this machine only"),
        (("compare", BASE), "give either --prompts FILE or --dataset NAME"),
        (("deployments", "add", "nothing"), "there is no model 'nothing'"),
        (("deployments", "stop", "nothing"), "there is no deployment of 'nothing'"),
        (("prompts", "show", "nothing"), "there is no prompt 'nothing'"),
        (("chat", BASE, "--character", "nobody"), "there is no character 'nobody'"),
        (("registry", "add", "talks"), "'talks' is no checkpoint"),
        (("data", "mix", "talks", "nothing", "--model", BASE), "there is no dataset 'nothing'"),
        (("data", "import", "not-there.jsonl", "--name", "x"), "there is no file not-there.jsonl"),
        (("data", "show", "nothing"), "there is no dataset 'nothing'"),
        (("runs", "follow", "nothing"), "there is no run or job 'nothing'"),
        (("--key", "ts-wrong", "runs", "list"), "no valid key"),
        (("--server", "nonsense", "runs", "list"), "nonsense is no server's address"),
    ],
)
def test_bad_input_is_one_sentence(
    served: Served, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = remote(served, *arguments)
    assert refused.code == 2
    assert sentence in refused.err
    assert "Traceback" not in refused.err


def test_a_server_that_is_not_there(served: Served) -> None:
    with socket.socket() as deaf:  # its port is taken, and nobody listens
        deaf.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        refused = remote(served, "--server", address, "runs", "list")
    assert refused.code == 1
    assert "does not answer" in refused.err


def test_a_login_keeps_a_key_that_only_its_user_can_read(served: Served, tmp_path: Path) -> None:
    here = {"XDG_CONFIG_HOME": str(tmp_path), "TUNESMITH_KEY": ""}
    assert "tunesmith login" in remote(served, "keys", "list", **here).err
    refused = remote(served, "login", "--email", OWNER, typed="wrong\n", **here)
    assert refused.code == 2
    done = remote(served, "login", "--email", OWNER, typed=f"{PASSWORD}\n", **here)
    assert done.code == 0, done.err
    [kept] = (path for path in tmp_path.rglob("*") if path.is_file())
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    # The server of the last login is the default where there is nothing to do here.
    listed = remote(served, "keys", "list", "--json", **here, TUNESMITH_SERVER="")
    [mine] = (key for key in json.loads(listed.out) if key["name"].startswith("login at"))
    assert served.key not in listed.out
    made = remote(served, "keys", "add", "reader", "--may", "read", **here)
    assert made.out.startswith("ts-")
    assert remote(served, "keys", "revoke", mine["id"], **here).code == 0
    assert remote(served, "keys", "list", **here).code == 2


def test_the_first_owner_is_made_from_the_command_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    services = open_services(ServiceConfig(), Home(home))
    served = Served(home, services, free_port(), "", "", {})
    served.start("server")
    try:
        done = subprocess.run(
            command(
                "setup", "--server", served.address, "--email", OWNER, "--tenant", "acme",
                "--secret-file", home / "setup-secret",
            ),
            input=f"{PASSWORD}\n",
            capture_output=True,
            text=True,
            env=os.environ | {"XDG_CONFIG_HOME": str(tmp_path / "config")},
            check=False,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "operator's key, shown this once: ts-" in done.stdout
        here = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "TUNESMITH_KEY": ""}
        assert remote(served, "jobs", "list", **here).code == 0
    finally:
        served.end_all()
        services.database.close()
