"""A database as one file, taken while others write, and put back."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from tunesmith.errors import Conflict, DatabaseUnavailable, NotFound

_DEBIAN = Path("/usr/lib/postgresql")  # where its programs lie, by version


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite database; None for others."""
    parsed = make_url(url)
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database
    return Path(str(parsed.database)) if is_file else None


def dump_database(url: str, into: Path) -> None:
    """Write the state of one moment; who writes meanwhile is not held up.

    Raises:
        NotFound: PostgreSQL's own programs are not on this machine.
        DatabaseUnavailable: the database cannot be read.
    """
    file = sqlite_path(url)
    if file is None:
        _run_postgres(url, "pg_dump", ["--format=custom", f"--file={into}"])
        return
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(into)) as copy:
        source.backup(copy)


def load_database(url: str, dump: Path) -> None:
    """Put a dump back, all or nothing, where there is no database of ours yet.

    Raises:
        Conflict: there is one.
        NotFound: PostgreSQL's own programs are not on this machine.
        DatabaseUnavailable: the database cannot be written.
    """
    file = sqlite_path(url)
    if file is None:
        _run_postgres(url, "pg_restore", ["--single-transaction", "--no-owner", str(dump)])
        return
    if file.exists():
        raise Conflict(f"there is a database at {file}", hint="move it away")
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(dump, file)


def _run_postgres(url: str, program: str, arguments: Sequence[str]) -> None:
    parsed = make_url(url).set(drivername="postgresql")
    command = [_find(program), f"--dbname={_without_password(parsed)}", *arguments]
    # Anybody on the machine can read a command, but not its variables.
    secret = {"PGPASSWORD": parsed.password} if parsed.password else {}
    done = subprocess.run(
        command, env={**os.environ, **secret}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[0]
        if "already exists" in reason:
            raise Conflict("there is a database of Tunesmith's there", hint="give an empty one")
        raise DatabaseUnavailable(f"{program} failed: {reason}", hint="mend that, then try again")


def _without_password(url: URL) -> str:
    bare = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    return bare.render_as_string()


def _find(program: str) -> str:
    found = shutil.which(program) or next(
        iter(sorted(_DEBIAN.glob(f"*/bin/{program}"))[::-1]), None
    )
    if found is None:
        raise NotFound(
            f"{program} is not on this machine", hint="install PostgreSQL's client programs"
        )
    return str(found)
