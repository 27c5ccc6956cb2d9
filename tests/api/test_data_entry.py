"""Before and after an import over HTTP: a look into a file, the sample, lengths, search."""

import json
from collections.abc import Generator

import pytest
from sqlalchemy import select

from tests.api.world import World, make_world, scratch_folder
from tunesmith.service.files import file_path
from tunesmith.store.tables import Job, Subscription


@pytest.fixture(scope="module")
def world() -> Generator[World]:
    with scratch_folder() as folder:
        made = make_world(folder)
        with made.client:
            yield made
        made.services.database.close()


def _upload(world: World, rows: list[dict[str, str]], filename: str) -> str:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    answer = world.call("owner", "POST", "/api/v1/files", files={"file": (filename, content)})
    return answer.json()["id"]


def test_a_file_is_looked_into_and_nothing_is_imported(world: World) -> None:
    file = _upload(world, [{"q": "one?", "a": "1"}, {"q": "two?", "a": ""}], "numbers.jsonl")
    address = f"/api/v1/files/{file}/peek"
    seen = world.call("owner", "POST", address, json={}).json()
    assert seen["format"] is None
    assert seen["columns"] == ["q", "a"]
    mapping = {"prompt": "q", "completion": "a"}
    seen = world.call("owner", "POST", address, json={"mapping": mapping}).json()
    assert (seen["format"], seen["encoding"], seen["problem"]) == ("prompt-completion", "utf-8", "")
    assert seen["rows"][0]["example"]["messages"][0] == {"role": "user", "content": "one?"}
    assert (seen["rows"][1]["field"], seen["rows"][1]["reason"]) == ("a", "is blank")
    assert world.call("other", "POST", address, json={}).status_code == 404
    wrong = world.call("owner", "POST", address, json={"format": "none such"})
    assert (wrong.status_code, wrong.json()["code"]) == (404, "not_found")


def test_the_sample_is_imported_with_its_held_out_part(world: World) -> None:
    answer = world.call("member", "POST", "/api/v1/datasets/samples")
    assert answer.status_code == 202
    assert [job["name"] for job in answer.json()["data"]] == ["sample-heldout", "sample"]
    for job in answer.json()["data"]:
        with world.services.database.reading() as db:
            file = db.get_one(Job, job["id"]).spec["request"]["file"]
        lines = file_path(world.services, world.tenant_id, file).read_text("utf-8").splitlines()
        assert {"messages"} == set(json.loads(lines[-1]))
    assert world.call("viewer", "POST", "/api/v1/datasets/samples").status_code == 403


def test_datasets_are_found_by_a_part_of_their_names(world: World) -> None:
    world.dataset("Support-2026")

    def names(search: str) -> list[str]:
        answer = world.call("owner", "GET", "/api/v1/datasets", params={"search": search})
        return [each["name"] for each in answer.json()["data"]]

    assert names("support") == ["Support-2026"]
    assert names("none such") == []
    assert set(names("")) >= {"Support-2026", "questions"}


def test_lengths_are_counted_once_and_remembered(world: World) -> None:
    first = world.call("viewer", "GET", "/api/v1/datasets/questions/lengths").json()
    assert sum(first["counts"]) == 9
    assert world.call("owner", "GET", "/api/v1/datasets/questions/lengths").json() == first


def test_a_channel_that_hears_all_hears_of_trainings_that_do_not_name_it(world: World) -> None:
    channel, _ = world.channel(), world.channel()
    address = f"/api/v1/channels/{channel}"
    changed = world.call("owner", "PATCH", address, json={"hears_all": True})
    assert changed.json()["hears_all"] is True
    assert world.call("member", "PATCH", address, json={"hears_all": True}).status_code == 403

    def who_hears(job_id: str) -> list[str]:
        with world.services.database.reading() as db:
            mine = select(Subscription.channel_id).where(Subscription.job_id == job_id)
            return list(db.scalars(mine))

    assert who_hears(world.job()) == [channel]
    world.call("owner", "PATCH", address, json={"hears_all": False})
    assert who_hears(world.job()) == []
