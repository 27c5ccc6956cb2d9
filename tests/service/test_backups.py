"""A backup holds an installation as it was at one moment, and gives it back (R17)."""

import io
import shutil
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.databases import PostgresServer
from tests.service.installation import found_owner
from tunesmith.errors import ArtifactCorrupt, Conflict
from tunesmith.service import jobs, submitting
from tunesmith.service.access import authenticate
from tunesmith.service.backups import back_up, restore
from tunesmith.service.config import ServiceConfig
from tunesmith.service.files import file_path, store_file
from tunesmith.service.job_requests import PullRequest
from tunesmith.service.services import Services, open_services
from tunesmith.store.claims import Room, claim
from tunesmith.store.home import Home

ROOM = Room(num_cores=2, memory_bytes=2**30, num_gpus=0)


@pytest.fixture(params=["sqlite", "postgresql"])
def configs(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ServiceConfig, ServiceConfig]:
    """Settings of an installation, and of the one that it is restored as."""
    if request.param == "sqlite":
        return ServiceConfig(), ServiceConfig()
    server: PostgresServer = request.getfixturevalue("postgres")
    old, new = (server.create(f"{tmp_path.name}_{which}") for which in ("old", "new"))
    return ServiceConfig(database=SecretStr(old)), ServiceConfig(database=SecretStr(new))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_jobs_people_and_files_come_back(
    configs: tuple[ServiceConfig, ServiceConfig], home: Home, tmp_path: Path
) -> None:
    services = open_services(configs[0], home)
    owner, founded = found_owner(services)
    stream = io.BytesIO(b"rows")
    file = store_file(services, stream, filename="x", purpose="fine-tune", actor=owner)
    wish = PullRequest(model="smollm2-135m")
    ids = [submitting.submit_job(services, wish, actor=owner).id for _ in range(2)]
    taken = take(services)
    back_up(configs[0], home, into=tmp_path / "kept")
    later = submitting.submit_job(services, wish, actor=owner).id
    services.database.close()
    shutil.rmtree(home.folder)

    restore(configs[1], home, source=tmp_path / "kept")
    services = open_services(configs[1], home)
    back = authenticate(services, founded.key)
    assert back == owner
    assert file_path(services, owner.tenant_id, file.id).read_bytes() == b"rows"
    statuses = {job.id: job.status for job in jobs.list_jobs(services, owner.tenant_id)[0]}
    assert statuses == {taken: "starting", **{id: "queued" for id in ids if id != taken}}
    assert later not in statuses
    assert take(services) in set(ids) - {taken}  # the queue goes on
    services.database.close()


def take(services: Services) -> str:
    with services.database.transaction() as db:
        now = services.clock()
        job = claim(db, worker_id="w", pool="default", size=ROOM, free=ROOM, now=now)
    assert job is not None
    return job.id


def test_only_an_unchanged_backup_of_this_place_is_restored(home: Home, tmp_path: Path) -> None:
    config, kept = ServiceConfig(), tmp_path / "kept"
    services = open_services(config, home)
    found_owner(services)
    services.database.close()
    back_up(config, home, into=kept)
    with pytest.raises(Conflict, match="kept exists"):
        back_up(config, home, into=kept)
    with pytest.raises(Conflict, match="within the installation"):
        back_up(config, home, into=home.folder / "kept")
    with pytest.raises(Conflict, match="is not empty"):
        restore(config, home, source=kept)
    with pytest.raises(Conflict, match="jobs name files there"):
        restore(config, Home(tmp_path / "elsewhere"), source=kept)
    shutil.rmtree(home.folder)
    damaged = (kept / "database").read_bytes()
    (kept / "database").write_bytes(damaged[:-1] + bytes([damaged[-1] ^ 1]))
    with pytest.raises(ArtifactCorrupt):
        restore(config, home, source=kept)
    assert not home.folder.exists()
