"""A source file becomes an immutable dataset version, named by its content."""

import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tunesmith import artifacts, schema
from tunesmith.data.deduplicate import Deduplicate
from tunesmith.data.formats import FORMATS, Detection, rename
from tunesmith.data.lineage import hashing, source_lineage
from tunesmith.data.plain import plain_chats
from tunesmith.data.reading import Reader, Standardize
from tunesmith.data.recognise import recognise
from tunesmith.data.sources import Block, DataFile, read_blocks, read_rows
from tunesmith.data.sources.places import Places
from tunesmith.data.staging import OnProgress, stage_examples, stage_source
from tunesmith.data.statistics import DatasetStats, ImportTally, LeftOut
from tunesmith.data.storage import (
    NumberedExample,
    Table,
    read_slice,
    stream_examples,
    stream_tables,
)
from tunesmith.errors import DatasetRejected, NotFound

_DATA, _REJECTED, _STATS = "data.parquet", "rejected.jsonl", "stats.json"


@dataclass(frozen=True)
class DatasetVersion:
    """An imported dataset version.

    Attributes:
        id: 16 hexadecimal digits of the SHA-256 over its examples and the rows left out, in order.
        folder: where its files are.
        stats: what the import counted.
        lineage: what it was made from.
        existed: whether the import found it already there.
    """

    id: str
    folder: Path
    stats: DatasetStats
    lineage: dict[str, Any]
    existed: bool = False

    @property
    def num_examples(self) -> int:
        """How many examples it holds."""
        return self.stats.num_examples

    @property
    def num_bytes(self) -> int:
        """The size of its examples on disk."""
        return (self.folder / _DATA).stat().st_size


def import_dataset(
    source: Path,
    *,
    into: Path,
    format: str | None = None,
    mapping: Mapping[str, str] | None = None,
    max_rejected_percent: float = 0.0,
    deduplicate: Deduplicate | None = None,
    standardize: Standardize | None = None,
    provenance: Mapping[str, Any] | None = None,
    on_progress: OnProgress = lambda num_rows: None,
) -> DatasetVersion:
    """Import `source` as the version folder `into / <version id>`, or find that it is there.

    Args:
        source: a file, folder or .zip that `read_rows` reads; its files must be of one format.
        into: the folder of all versions.
        format: a key of `FORMATS`; recognised by the columns if None.
        mapping: columns of the file by field of the format, such as `{"prompt": "question"}`.
        max_rejected_percent: up to this share of rows may be no examples; they are left out, with
            their reasons in `rejected.jsonl`.
        deduplicate: also leave out what repeats an earlier example, "exact" or "near"; listed there
            too, and not counted as rejected.
        standardize: gives a row the columns of `format` where renaming by `mapping` is not enough.
        provenance: where the file itself came from, kept in the lineage.
        on_progress: called with the number of rows read.

    Raises:
        NotFound: there is no such file or format.
        DatasetRejected: the file is malformed, of no known format, or has more rejected rows than
            allowed. Nothing is left behind.
    """
    with _staging_folder(into) as staged, hashing(source) as digest:
        plan = _plan(source, format=format, mapping=mapping or {}, standardize=standardize)
        tally = stage_source(
            plan.blocks,
            plan.reader,
            examples=staged / _DATA,
            left_out=staged / _REJECTED,
            deduplicate=deduplicate,
            on_progress=on_progress,
        )
        _check_rejected(tally, plan.files, allowed_percent=max_rejected_percent)
        stats = tally.stats(plan.detection, columns=plan.columns)
        lineage = {
            **source_lineage(source, plan.files, digest=digest),
            "format": plan.detection.format,
            "mapping": dict(plan.reader.mapping),
            "deduplicate": deduplicate,
            **(provenance or {}),
        }
        return _commit(staged, into / _version_id(staged, tally), stats, lineage=lineage)


def derive_version(
    examples: Iterable[NumberedExample], *, into: Path, made: str, lineage: dict[str, Any]
) -> DatasetVersion:
    """Keep `examples` of other versions as a version; `made` says how they were chosen.

    Raises:
        DatasetRejected: there is no example. Nothing is left behind.
    """
    with _staging_folder(into) as staged:
        tally = stage_examples(examples, into=staged / _DATA)
        if tally.num_examples == 0:
            raise DatasetRejected(f"{made}: no example is left", hint="choose other settings")
        tally.num_rows = tally.num_examples
        (staged / _REJECTED).touch()
        stats = tally.stats(Detection("derived", made), columns=frozenset())
        return _commit(staged, into / tally.version_id, stats, lineage=lineage)


def open_version(folder: Path) -> DatasetVersion:
    """Open a version that was imported.

    Raises:
        NotFound: `folder` is no committed dataset version.
    """
    manifest = artifacts.read_manifest(folder)
    if manifest is None or manifest.kind != "dataset":
        raise NotFound(f"{folder} is not a dataset version", hint="import the dataset again")
    stats = DatasetStats.model_validate_json((folder / _STATS).read_text("utf-8"))
    return DatasetVersion(id=folder.name, folder=folder, stats=stats, lineage=manifest.lineage)


def read_left_out(version: DatasetVersion) -> Iterator[LeftOut]:
    """The rows of its source that `version` does without, in the order in which they were found."""
    with (version.folder / _REJECTED).open(encoding="utf-8") as lines:
        for line in lines:
            yield LeftOut(**json.loads(line))


def read_examples(version: DatasetVersion) -> Iterator[NumberedExample]:
    """Stream the examples of `version`, each with the row of its source."""
    return stream_examples(version.folder / _DATA)


def read_tables(version: DatasetVersion) -> Iterator[Table]:
    """Stream the examples of `version` by the column, as `to_table` makes them."""
    return stream_tables(version.folder / _DATA)


def read_some_examples(version: DatasetVersion, *, skip: int, limit: int) -> list[NumberedExample]:
    """At most `limit` examples behind the first `skip`, each with the row of its source."""
    return read_slice(version.folder / _DATA, skip=skip, limit=limit)


@contextmanager
def _staging_folder(into: Path) -> Generator[Path]:
    """A folder to write into before the id is known; `remove_leftovers` clears up what is left."""
    into.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".partial-import-", dir=into) as temporary:
        yield Path(temporary)


def _version_id(staged: Path, tally: ImportTally) -> str:
    """That of the examples, unless rows were left out: a version tells which, and why."""
    if (staged / _REJECTED).stat().st_size == 0:
        return tally.version_id
    both = f"{tally.version_id} {artifacts.sha256_file(staged / _REJECTED)}"
    return sha256(both.encode()).hexdigest()[: len(tally.version_id)]


def _commit(
    staged: Path, target: Path, stats: DatasetStats, *, lineage: dict[str, Any]
) -> DatasetVersion:
    if artifacts.is_intact(target):  # made from this source, or another one that says the same
        return DatasetVersion(target.name, target, stats, lineage, existed=True)
    artifacts.write_json(staged / _STATS, stats.model_dump())
    artifacts.commit_folder(
        target,
        kind="dataset",
        write=lambda folder: _move_files(staged, folder),
        lineage=lineage,
    )
    return open_version(target)


@dataclass(frozen=True)
class _Plan:
    """How to read one source, and the files that were read so far, each after as many rows."""

    blocks: Iterator[tuple[int, Block]]
    files: list[tuple[int, DataFile]]
    detection: Detection
    reader: Reader

    @property
    def columns(self) -> set[str]:
        """Columns of the file that are read."""
        fields = FORMATS[self.detection.format].columns
        return {self.reader.mapping.get(field, field) for field in fields}


def _plan(
    source: Path,
    *,
    format: str | None,
    mapping: Mapping[str, str],
    standardize: Standardize | None,
) -> _Plan:
    if format is not None:
        schema.choose(FORMATS, format, what="format")  # pyright: ignore[reportArgumentType]
    detection = recognise(source, format=format, mapping=mapping)
    plain = None
    if standardize is None:
        plain = plain_chats(detection.format, mapping, rows=read_rows(source))
        standardize = partial(rename, mapping=mapping)
    files: list[tuple[int, DataFile]] = []
    blocks = read_blocks(source, on_file=lambda before, file: files.append((before, file)))
    reader = Reader(detection.format, mapping, standardize, plain)
    return _Plan(blocks, files, detection, reader)


def _check_rejected(
    tally: ImportTally, files: Iterable[tuple[int, DataFile]], *, allowed_percent: float
) -> None:
    if tally.first_rejected is None:
        return
    places = Places((num_before, file.name) for num_before, file in files)
    where = f"{places.sentence(tally.first_rejected.row)}: {tally.first_rejected}"
    counts = f"{tally.num_rejected} of {tally.num_rows} rows are no examples"
    if tally.num_rejected == tally.num_rows:
        raise DatasetRejected(f"{where}; all {counts}", hint="choose another format or mapping")
    if 100 * tally.num_rejected > allowed_percent * tally.num_rows:
        raise DatasetRejected(
            f"{where}; {counts}, {allowed_percent:g} % are allowed",
            hint="mend them, or pass --allow-rejected PERCENT to import without them",
        )


def _move_files(source: Path, target: Path) -> None:
    for path in source.iterdir():
        os.rename(path, target / path.name)
