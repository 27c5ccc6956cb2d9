"""What the routes say, on a real installation's data; and that the documentation's calls work."""

import io
import json
import re
import tarfile
from collections.abc import Generator
from pathlib import Path

import pytest
import yaml

from tests.api.world import BASE, CANARY, World, make_world, scratch_folder
from tunesmith.artifacts import verify
from tunesmith.service.preparation import job_folder
from tunesmith.store.tables import Attempt, Job, Pool
from tunesmith.training.config import TrainConfig

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def world() -> Generator[World]:
    with scratch_folder() as folder:
        made = make_world(folder)
        with made.client:
            yield made
        made.services.database.close()


def get(world: World, path: str, **query: object) -> dict:
    response = world.call("owner", "GET", f"/api/v1/{path}", params=query)
    assert response.status_code == 200, response.text
    return response.json()


# --- datasets --------------------------------------------------------------------------------


def test_rows_come_in_pages_without_gap_or_repetition(world: World) -> None:
    name = world.dataset()
    seen, after, has_more = [], 0, True
    while has_more:
        page = get(world, f"datasets/{name}/rows", after=after, limit=4)
        seen += page["data"]
        after, has_more = seen[-1]["number"], page["has_more"]
    assert [row["number"] for row in seen] == list(range(1, 10))
    assert [row["row"] for row in seen] == list(range(1, 10))
    assert seen[3]["example"]["messages"][0]["content"] == f"{CANARY} {name} 3"


def test_a_dataset_is_found_by_name_and_by_version_and_shows_no_path(world: World) -> None:
    name = world.dataset()
    newest = get(world, f"datasets/{name}")
    assert get(world, f"datasets/{name}@{newest['version'][:6]}") == newest
    assert newest["stats"]["num_examples"] == 9
    assert [each["version"] for each in get(world, f"datasets/{name}/versions")["data"]] == [
        newest["version"]
    ]
    assert str(world.services.installation.folder) not in json.dumps(newest)


def test_a_split_holds_out_what_the_rest_lacks(world: World) -> None:
    name = world.dataset()
    body = {"percent": 33, "rest": f"{name}-rest", "held_out": f"{name}-out"}
    made = world.call("member", "POST", f"/api/v1/datasets/{name}/split", json=body).json()["data"]
    assert [each["stats"]["num_examples"] for each in made] == [6, 3]
    difference = get(world, f"datasets/{name}/diff", older=f"{name}-out")["difference"]
    assert (difference["num_added"], difference["num_common"]) == (6, 3)


def test_an_export_is_what_was_imported(world: World) -> None:
    name = world.dataset()
    text = world.call("viewer", "GET", f"/api/v1/datasets/{name}/export").text
    assert len(text.splitlines()) == 9
    assert json.loads(text.splitlines()[0])["messages"][0]["content"] == f"{CANARY} {name} 0"
    home = world.services.home(world.tenant_id)
    assert list((home.cache / "exports").iterdir()) == []
    refused = world.call(
        "viewer", "GET", f"/api/v1/datasets/{name}/export", params={"format": "text"}
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "dataset_rejected")


def test_a_dataset_that_a_waiting_job_pins_is_kept(world: World) -> None:
    name = world.dataset()
    recipe = {"name": "pinning", "model": "smollm2-135m", "data": {"train": name}}
    body = {"job": {"kind": "train", "recipe": recipe}}
    job = world.call("member", "POST", "/api/v1/jobs", json=body).json()["id"]
    refused = world.call("member", "DELETE", f"/api/v1/datasets/{name}")
    assert refused.status_code == 409
    assert job in refused.json()["message"]
    world.call("member", "POST", f"/api/v1/jobs/{job}/cancel")
    assert world.call("member", "DELETE", f"/api/v1/datasets/{name}").status_code == 200
    assert world.call("member", "GET", f"/api/v1/datasets/{name}").status_code == 404


# --- runs ------------------------------------------------------------------------------------


def test_a_run_is_renamed_and_its_model_keeps_its_name(world: World) -> None:
    run_id = world.run()
    before = get(world, f"runs/{run_id}")
    old = before["run"]["job"]["name"]
    change = {"json": {"name": "called-otherwise"}}
    refused = world.call("viewer", "PATCH", f"/api/v1/runs/{run_id}", **change)
    assert refused.status_code == 403
    renamed = world.call("member", "PATCH", f"/api/v1/runs/{run_id}", **change).json()
    assert renamed["job"]["name"] == "called-otherwise"
    after = get(world, f"runs/{run_id}")
    assert (after["recipe"], after["model_ids"]) == (before["recipe"], before["model_ids"])
    home = world.services.home(world.tenant_id)
    assert [home.find("run", name).id for name in (old, "called-otherwise")] == [run_id, run_id]
    bad = world.call("member", "PATCH", f"/api/v1/runs/{run_id}", json={"name": "../x"})
    assert bad.status_code == 422


def test_a_run_shows_its_curve_and_its_recipe_can_be_run_again(world: World) -> None:
    run_id = world.run()
    detail = get(world, f"runs/{run_id}")
    assert [point["loss"] for point in detail["curve"]] == [1.5]
    assert detail["run"]["loss"] == 1.5
    assert detail["tokens_per_second"] == pytest.approx(100)
    text = world.call("viewer", "GET", f"/api/v1/runs/{run_id}/recipe").text
    recipe = TrainConfig.model_validate(yaml.safe_load(text), strict=False)
    assert recipe.model_dump(mode="json") == detail["recipe"]
    lines = world.call("viewer", "GET", f"/api/v1/runs/{run_id}/metrics.csv").text.splitlines()
    assert lines[1].startswith("1,1.0,1.5,0.0001,")


def test_streams_go_on_where_a_reader_stopped(world: World) -> None:
    run_id = world.run()
    for path in (f"/api/v1/runs/{run_id}/events", f"/v1/runs/{run_id}/events"):
        text = world.call("viewer", "GET", path).text
        ids = re.findall(r"^id: (.*)$", text, re.MULTILINE)
        later = world.call("viewer", "GET", path, headers={"last-event-id": ids[0]}).text
        assert re.findall(r"^id: (.*)$", later, re.MULTILINE) == ids[1:]
        assert text.endswith("event: end\ndata: {}\n\n")


def test_a_log_is_streamed_by_bytes_and_without_paths(world: World) -> None:
    run_id = world.run()
    path = f"/api/v1/runs/{run_id}/logs"
    text = world.call("viewer", "GET", path).text
    assert CANARY in text
    assert str(world.services.installation.folder) not in text
    last = re.findall(r"^id: (\d+)$", text, re.MULTILINE)[-1]
    rest = world.call("viewer", "GET", path, headers={"last-event-id": last}).text
    assert "event: log" not in rest


def test_a_deleted_run_leaves_its_costs(world: World) -> None:
    run_id = world.run()
    with world.services.database.transaction() as db:
        job = db.get_one(Job, run_id)
        folder = job_folder(world.services, job)
        db.add(Pool(name="dear", price_per_core_hour=2.0, currency="EUR"))
        db.add(
            Attempt(
                job_id=run_id,
                token=1,
                tenant_id=job.tenant_id,
                worker_id="w",
                pool="dear",
                num_cores=2,
                num_gpus=0,
                seconds=1800.0,
                outcome="succeeded",
            )
        )
    assert world.call("member", "DELETE", f"/api/v1/runs/{run_id}").status_code == 204
    assert not folder.exists()
    assert world.call("member", "GET", f"/api/v1/runs/{run_id}").status_code == 404
    [month] = [each for each in get(world, "usage")["data"] if each["pool"] == "dear"]
    assert month["cost"]["amount"] == pytest.approx(2.0)
    jobs = get(world, f"usage/{month['month']}", limit=100)["data"]
    assert next(job for job in jobs if job["id"] == run_id)["cost"]["core_hours"] == 1.0


# --- models ----------------------------------------------------------------------------------


def test_an_archive_holds_the_model_and_its_manifest(world: World, tmp_path: Path) -> None:
    model_id = world.model()
    response = world.call("member", "GET", f"/api/v1/models/{model_id}/archive")
    with tarfile.open(fileobj=io.BytesIO(response.content)) as archive:
        archive.extractall(tmp_path, filter="data")
    [folder] = tmp_path.iterdir()
    assert verify(folder).kind == "adapter"
    assert str(world.services.installation.folder).encode() not in response.content
    assert json.loads((folder / "adapter_config.json").read_text()) == {
        "base_model_name_or_path": BASE
    }
    base = json.loads((folder / "tunesmith.json").read_text())["base"]
    assert base == {"reference": BASE, "digest": "0" * 64}


def test_a_model_in_use_is_kept(world: World) -> None:
    model_id = world.model()
    world.call("member", "PUT", "/api/v1/aliases/prod", json={"model": model_id})
    refused = world.call("member", "DELETE", f"/api/v1/models/{model_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    run_id = get(world, f"models/{model_id}")["run"]
    assert world.call("member", "DELETE", f"/api/v1/runs/{run_id}").status_code == 409
    assert world.call("member", "DELETE", "/api/v1/aliases/prod").status_code == 204
    assert world.call("member", "DELETE", f"/api/v1/models/{model_id}").status_code == 204
    assert world.call("member", "DELETE", f"/api/v1/runs/{run_id}").status_code == 204


def test_an_alias_is_a_model_to_train_from_and_moves(world: World) -> None:
    first, second = world.model(), world.model()
    for model_id in (first, second):
        body = {"model": model_id}
        set_to = world.call("member", "PUT", "/api/v1/aliases/best", json=body).json()
        assert set_to["model_id"] == model_id
    assert get(world, f"models/{first}")["aliases"] == []
    assert get(world, f"models/{second}")["aliases"] == ["best"]


# --- recipes ---------------------------------------------------------------------------------


def test_defaults_are_those_of_the_method(world: World) -> None:
    by_method = {
        method: {
            field["path"]: field for field in get(world, "recipe-fields", method=method)["data"]
        }
        for method in ("lora", "full")
    }
    rates = {m: fields["training.learning_rate"] for m, fields in by_method.items()}
    assert {m: rate["default"] for m, rate in rates.items()} == {"lora": "auto", "full": "auto"}
    assert {m: rate["stands_for"] for m, rate in rates.items()} == {"lora": 1e-4, "full": 2e-5}
    epochs = by_method["lora"]["training.epochs"]
    assert (epochs["default"], epochs["band"], epochs["minimum"], epochs["maximum"]) == (
        *(3, [1, 10]),
        *(1, 50),
    )
    assert all(field["meaning"] for field in by_method["lora"].values())
    assert by_method["lora"]["name"]["required"] is True


# --- the operator ----------------------------------------------------------------------------


def test_a_deleted_tenant_is_gone_with_everything_in_it(world: World) -> None:
    body = {"name": "fleeting", "owner": "flee@example.org", "password": "correct horse battery"}
    tenant = world.call("admin", "POST", "/api/v1/admin/tenants", json=body).json()["id"]
    login = {"email": "flee@example.org", "password": "correct horse battery"}
    assert world.client.post("/api/v1/sessions", json=login).status_code == 201
    cookies = dict(world.client.cookies)
    assert world.call("admin", "DELETE", f"/api/v1/admin/tenants/{tenant}").status_code == 204
    world.client.cookies.update(cookies)
    assert world.client.get("/api/v1/me").status_code == 401
    world.client.cookies.clear()
    lines = world.call("admin", "GET", "/api/v1/admin/audit").json()["data"]
    assert [line["action"] for line in lines[:3]] == ["delete_tenant", "log_in", "add_tenant"]


def test_tenants_see_no_machine_names(world: World) -> None:
    world.worker()
    assert "secret-host" not in json.dumps(get(world, "workers"))
    shown = world.call("admin", "GET", "/api/v1/admin/workers").text
    assert "secret-host" in shown


# --- documentation ---------------------------------------------------------------------------


def _documented_calls() -> list[tuple[str, str, str]]:
    calls: list[tuple[str, str, str]] = []
    for page in ("api.md", "service.md"):
        for block in re.findall(r"^```http\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S):
            for line in block.splitlines():
                if re.match(r"(GET|POST|PUT) ", line):
                    method, _, path = line.partition(" ")
                    calls.append((method, path, ""))
                elif line.startswith("{"):
                    calls[-1] = (*calls[-1][:2], line)
    return calls


@pytest.mark.parametrize(("method", "path", "body"), _documented_calls())
def test_documented_calls_work(world: World, method: str, path: str, body: str) -> None:
    if path.endswith("/files"):
        response = world.call("member", method, path, files={"file": ("q.jsonl", b"{}")})
    elif body:
        values = json.loads(body.replace("file-...", world.file()))
        response = world.call("member", method, path, json=values)
    else:
        response = world.call("member", method, path)
    # The setup secret of this installation was used before.
    assert response.status_code == 403 if path.endswith("/setup") else response.status_code < 300
