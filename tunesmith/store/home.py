"""Where an installation keeps its things, and what its names point to.

Names given by people never become paths: folders are named by ids made here or by content digests,
and a registry of names says what a name points to. The last entry of a name wins.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from tunesmith.errors import NotFound

NameKind = Literal["dataset", "run"]


@dataclass(frozen=True)
class NameEntry:
    """A name, the id it points to, and since when."""

    kind: NameKind
    name: str
    id: str
    since: str


class Names(Protocol):
    """What names point to: a file for one person, the database for a tenant."""

    def point(self, kind: NameKind, name: str, id: str) -> None:
        """Let `name` point to `id` from now on. Durable on return."""
        ...

    def forget(self, kind: NameKind, name: str, id: str) -> None:
        """Let `name` no longer point, nor have pointed, to `id`. Durable on return."""
        ...

    def entries(self, kind: NameKind) -> list[NameEntry]:
        """Everything names of `kind` ever pointed to and did not forget, oldest first."""
        ...


@dataclass(frozen=True)
class FileNames:
    """Names in an append-only file of JSON lines."""

    path: Path

    def point(self, kind: NameKind, name: str, id: str) -> None:
        """Let `name` point to `id` from now on. Durable on return."""
        if any(entry.name == name and entry.id == id for entry in self.entries(kind)[-1:]):
            return
        self._append(kind, name, id)

    def forget(self, kind: NameKind, name: str, id: str) -> None:
        """Let `name` no longer point, nor have pointed, to `id`. Durable on return."""
        self._append(kind, name, id, forgotten=True)

    def _append(self, kind: NameKind, name: str, id: str, **more: bool) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        record = {"kind": kind, "name": name, "id": id, "since": since, **more}
        line = json.dumps(record, ensure_ascii=False)
        # One write of one line in append mode: two processes cannot mix their lines.
        with self.path.open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def entries(self, kind: NameKind) -> list[NameEntry]:
        """Everything names of `kind` ever pointed to and did not forget, oldest first."""
        if not self.path.exists():
            return []
        lines = self.path.read_text("utf-8").splitlines()
        entries: list[NameEntry] = []
        for record in (json.loads(line) for line in lines if line.endswith("}")):
            forgotten = record.pop("forgotten", False)
            entry = NameEntry(**record)
            if entry.kind != kind:
                continue
            if forgotten:
                entries = [e for e in entries if (e.name, e.id) != (entry.name, entry.id)]
            else:
                entries.append(entry)
        return entries


@dataclass(frozen=True)
class Home:
    """The folder that holds datasets, models, runs and caches.

    Attributes:
        folder: of this person or tenant.
        registry: what names point to; a file in the folder if None.
        shared_models: where base models lie that several tenants use; the folder's own if None.
    """

    folder: Path
    registry: Names | None = None
    shared_models: Path | None = None

    @property
    def datasets(self) -> Path:
        """Dataset versions, one folder each, named by content."""
        return self.folder / "datasets"

    @property
    def models(self) -> Path:
        """Base models that were pulled or converted."""
        return self.shared_models or self.folder / "models"

    @property
    def runs(self) -> Path:
        """Runs, one folder each."""
        return self.folder / "runs"

    @property
    def cache(self) -> Path:
        """What can be made again."""
        return self.folder / "cache"

    @property
    def names(self) -> Names:
        """What names point to."""
        return self.registry or FileNames(self.folder / "names.jsonl")

    def point(self, kind: NameKind, name: str, id: str) -> None:
        """Let `name` point to `id` from now on. Durable on return."""
        self.names.point(kind, name, id)

    def forget(self, kind: NameKind, name: str, id: str) -> None:
        """Let `name` no longer point, nor have pointed, to `id`. Durable on return."""
        self.names.forget(kind, name, id)

    def entries(self, kind: NameKind) -> list[NameEntry]:
        """Everything names of `kind` ever pointed to and did not forget, oldest first."""
        return self.names.entries(kind)

    def find(self, kind: NameKind, reference: str) -> NameEntry:
        """The entry that `reference` means.

        Raises:
            NotFound: nothing fits, naming what there is.
        """
        return find_entry(self.entries(kind), reference, kind=kind)


def find_entry(entries: Iterable[NameEntry], reference: str, *, kind: NameKind) -> NameEntry:
    """What `reference` means: a name (its newest), `name@id-prefix`, or an id prefix.

    Raises:
        NotFound: nothing fits, naming what there is.
    """
    name, _, version = reference.partition("@")
    entries = list(entries)
    fitting = [e for e in entries if e.name == name and e.id.startswith(version)]
    if not fitting and not version and len(name) >= 4:
        fitting = [entry for entry in entries if entry.id.startswith(name)]
    if not fitting:
        known = ", ".join(sorted({entry.name for entry in entries})) or "none yet"
        raise NotFound(f"there is no {kind} {reference!r}", hint=f"there are: {known}")
    return fitting[-1]


def open_home() -> Home:
    """`$TUNESMITH_HOME`, else the nearest `.tunesmith` here or above, else `~/.tunesmith`."""
    configured = os.environ.get("TUNESMITH_HOME")
    if configured:
        return Home(Path(configured).resolve())
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".tunesmith").is_dir():
            return Home(folder / ".tunesmith")
    return Home(Path.home() / ".tunesmith")
