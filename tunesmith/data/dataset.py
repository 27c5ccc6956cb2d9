"""A source file becomes an immutable dataset version, named by its content."""

import json
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from tunesmith import artifacts, schema
from tunesmith.data.deduplicate import Deduplicate, without_duplicates
from tunesmith.data.formats import FORMATS, Detection, Format, RowRejected, rename
from tunesmith.data.lineage import source_lineage
from tunesmith.data.recognise import recognise
from tunesmith.data.sources import NumberedRow, Row, read_rows
from tunesmith.data.sources.places import Places
from tunesmith.data.statistics import DatasetStats, ImportTally
from tunesmith.data.storage import NumberedExample, stream_examples, write_examples
from tunesmith.errors import DatasetRejected, NotFound

Standardize: TypeAlias = Callable[[Row], Row]
OnProgress: TypeAlias = Callable[[int], None]
"""Called now and then with the number of rows or examples done."""

_DATA, _REJECTED, _STATS = "data.parquet", "rejected.jsonl", "stats.json"
_SCRATCH = "scratch.parquet"  # gone before the version is committed
_PROGRESS_EVERY = 1000


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


@dataclass(frozen=True)
class LeftOut:
    """A row that is no example, or a repeated one; `field` is its path in the source or empty."""

    row: int
    field: str
    reason: str


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
    with _staging_folder(into) as staged:
        plan = _plan(source, format=format, mapping=mapping or {}, standardize=standardize)
        tally = _stage(staged, plan, deduplicate=deduplicate, on_progress=on_progress)
        _check_rejected(tally, plan.places, allowed_percent=max_rejected_percent)
        stats = tally.stats(plan.detection, columns=plan.columns)
        lineage = {
            **source_lineage(source, plan.places),
            "format": plan.detection.format,
            "mapping": dict(plan.mapping),
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
        tally = ImportTally()
        write_examples(staged / _DATA, tally.counted(examples))
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
    """How to read one source."""

    rows: Iterator[NumberedRow]
    places: Places
    detection: Detection
    mapping: Mapping[str, str]
    standardize: Standardize

    @property
    def format(self) -> Format:
        return FORMATS[self.detection.format]

    @property
    def columns(self) -> set[str]:
        """Columns of the file that are read."""
        return {self.mapping.get(field, field) for field in self.format.columns}


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
    if standardize is None:
        standardize = partial(rename, mapping=mapping)
    places = Places()
    rows = read_rows(source, on_file=places.begin)
    return _Plan(rows, places, detection, mapping, standardize)


def _stage(
    folder: Path, plan: _Plan, *, deduplicate: Deduplicate | None, on_progress: OnProgress
) -> ImportTally:
    tally = ImportTally()
    with (folder / _REJECTED).open("w", encoding="utf-8") as rejected:

        def leave_out(row: int, field: str, reason: str) -> None:
            record = {"row": row, "field": field, "reason": reason}
            rejected.write(json.dumps(record, ensure_ascii=False) + "\n")

        def drop(row: int, first: int) -> None:
            tally.num_dropped += 1
            leave_out(row, "", f"duplicate of row {first}")

        examples = _examples(plan, tally, leave_out=leave_out, on_progress=on_progress)
        if deduplicate:
            scratch = folder / _SCRATCH
            examples = without_duplicates(examples, deduplicate, scratch=scratch, drop=drop)
        write_examples(folder / _DATA, tally.counted(examples))
    return tally


def _examples(
    plan: _Plan,
    tally: ImportTally,
    *,
    leave_out: Callable[[int, str, str], None],
    on_progress: OnProgress,
) -> Iterator[NumberedExample]:
    """Read row by row; those that are no examples are left out."""
    for number, row in plan.rows:
        tally.see(row)
        try:
            example = plan.format.read(plan.standardize(row))
        except RowRejected as error:
            reason = RowRejected(_source_field(error.field, plan.mapping), error.reason)
            tally.reject(number, reason)
            leave_out(number, reason.field, reason.reason)
        else:
            yield number, example
        if tally.num_rows % _PROGRESS_EVERY == 0:
            on_progress(tally.num_rows)
    on_progress(tally.num_rows)


def _source_field(field: str, mapping: Mapping[str, str]) -> str:
    """The path `field` as it is in the file, whose column may have another name."""
    name = re.split(r"[.\[]", field, maxsplit=1)[0]
    return mapping.get(name, name) + field[len(name) :]


def _check_rejected(tally: ImportTally, places: Places, *, allowed_percent: float) -> None:
    if tally.first_rejected is None:
        return
    row, error = tally.first_rejected
    where = f"{places.sentence(row)}: {error}"
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
