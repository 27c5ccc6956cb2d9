"""An installation as one folder to keep elsewhere, taken while it works, and put back.

The database comes first: what it names is on the disk already, and is never changed there. A job
that was at work goes on from the last checkpoint that the backup holds, as after a lost worker.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from tunesmith.artifacts import Manifest, commit_folder, verify
from tunesmith.errors import Conflict, NotFound
from tunesmith.service.config import ServiceConfig
from tunesmith.service.services import database_url
from tunesmith.store.dumps import dump_database, load_database, sqlite_path
from tunesmith.store.home import Home

_DATABASE, _FILES = "database", "files"
_PARTIAL = ".partial-"  # half-written, by whoever works just now
_CACHE = "cache"  # what can be made again


def back_up(config: ServiceConfig, installation: Home, *, into: Path) -> Manifest:
    """Write a backup to the new folder `into`, with the hash of every file.

    Raises:
        NotFound: there is no installation, or PostgreSQL's own programs are missing.
        Conflict: `into` exists, or lies within the installation.
        DatabaseUnavailable: the database cannot be read.
    """
    home, into = installation.folder, into.absolute()
    if not home.is_dir():
        raise NotFound(f"there is no installation in {home}", hint="set TUNESMITH_HOME")
    if into.exists():
        raise Conflict(f"{into} exists", hint="name a new folder")
    if into.is_relative_to(home):
        raise Conflict(f"{into} lies within the installation", hint="name a folder elsewhere")
    url = database_url(config, installation)

    def write(folder: Path) -> None:
        dump_database(url, folder / _DATABASE)
        for path in _worth_keeping(home, database=sqlite_path(url)):
            _copy(path, folder / _FILES / path.relative_to(home))

    return commit_folder(into, kind="backup", write=write, lineage={"folder": str(home)})


def restore(config: ServiceConfig, installation: Home, *, source: Path) -> Manifest:
    """Make the installation out of a backup whose every file is as it was written.

    Raises:
        ArtifactCorrupt: `source` is no backup, or a file of it was changed.
        Conflict: the installation exists, or was somewhere else.
        NotFound: PostgreSQL's own programs are missing.
        DatabaseUnavailable: the database cannot be written.
    """
    manifest, home = verify(source), installation.folder
    if manifest.lineage.get("folder") != str(home):
        raise Conflict(
            f"the backup is of {manifest.lineage.get('folder')}, and jobs name files there",
            hint=f"set TUNESMITH_HOME={manifest.lineage.get('folder')}",
        )
    if home.exists() and any(home.iterdir()):
        raise Conflict(f"{home} is not empty", hint="move it away")
    url = database_url(config, installation)
    staging = home.with_name(f"{_PARTIAL}{home.name}")
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(source / _FILES, staging)
    file = sqlite_path(url)
    if file is not None and file.is_relative_to(home):  # it appears with all the rest
        url = f"sqlite:///{staging / file.relative_to(home)}"
    load_database(url, source / _DATABASE)
    if home.exists():
        home.rmdir()
    staging.rename(home)
    return manifest


def _worth_keeping(home: Path, *, database: Path | None) -> Iterator[Path]:
    for path in home.rglob("*"):
        parts = path.relative_to(home).parts
        is_passing = any(part == _CACHE or part.startswith(_PARTIAL) for part in parts)
        # Beside an SQLite file lie its log and index.
        is_database = database is not None and path.name.startswith(database.name)
        if path.is_file() and not is_passing and not is_database:
            yield path


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(path, target)
    except FileNotFoundError:  # a checkpoint that gave way to a newer one meanwhile
        target.unlink(missing_ok=True)
