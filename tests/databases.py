"""Databases for tests: SQLite files, and a PostgreSQL server of our own on a unix socket."""

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

import psycopg

_USER = "postgres"  # initdb refuses to run as root; Debian's package makes this user
_PORT = 5432  # names the socket's file only; no port is opened


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's programs, None where they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class PostgresServer:
    """A server in a temporary folder, within a `with`; it can be stopped and started in between."""

    def __init__(self, *, durable: bool) -> None:
        programs = postgres_programs()
        assert programs is not None, "PostgreSQL is not installed: see tests/postgres.sh"
        self._programs = programs
        self._settings = ["-c", "listen_addresses=", "-c", "max_connections=200"]
        if not durable:
            self._settings += ["-c", "fsync=off", "-c", "full_page_writes=off"]

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="tunesmith-postgres-"))
        if os.geteuid() == 0:
            shutil.chown(self._folder, _USER)
        self._run("initdb", "--auth=trust", f"--username={_USER}", "--no-sync")
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(subprocess.CalledProcessError):  # it may be stopped
            self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Answer from now on."""
        options = " ".join([f"-k {self._folder}", *self._settings])
        self._run("pg_ctl", "start", "-w", "-l", str(self._folder / "log"), "-o", options)

    def stop(self) -> None:
        """Close every connection and answer no more; what was committed stays."""
        self._run("pg_ctl", "stop", "-m", "fast", "-w")

    def url(self, name: str) -> str:
        """The address of database `name`."""
        return f"postgresql://{_USER}@/{name}?host={self._folder}"

    def create(self, name: str) -> str:
        """Make a database without tables; return its address."""
        self._execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program: str, *arguments: str) -> None:
        as_root = os.geteuid() == 0
        subprocess.run(
            [self._programs / program, "-D", self._folder / "data", *arguments],
            check=True,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            user=_USER if as_root else None,
            group=_USER if as_root else None,
            extra_groups=[] if as_root else None,
        )
