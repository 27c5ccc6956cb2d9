"""Examples written, counted and hashed in one pass, with a list of the rows left out."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from itertools import chain, starmap
from pathlib import Path
from typing import TypeAlias

from tunesmith.data.deduplicate import Deduplicate, without_duplicates
from tunesmith.data.parallel import ahead
from tunesmith.data.reading import Reader
from tunesmith.data.sources import Block
from tunesmith.data.statistics import Batch, ImportTally, LeftOut, Part, to_batch
from tunesmith.data.storage import (
    NumberedExample,
    from_table,
    in_batches,
    to_table,
    write_tables,
)

OnProgress: TypeAlias = Callable[[int], None]
"""Called now and then with the number of rows or examples done."""


def stage_source(
    blocks: Iterable[tuple[int, Block]],
    reader: Reader,
    *,
    examples: Path,
    left_out: Path,
    deduplicate: Deduplicate | None,
    on_progress: OnProgress,
) -> ImportTally:
    """Write the examples of all blocks to the file `examples`, and to `left_out` all other rows.

    An exception, or a stop, gives `reader` up.

    Raises:
        DatasetRejected: a block is malformed.
    """
    tally = ImportTally()
    with left_out.open("w", encoding="utf-8") as file:
        rejected: deque[LeftOut] = deque()  # not written yet, as rows are listed in order

        def write_rejected(*, before: float = float("inf")) -> None:
            while rejected and rejected[0].row < before:
                write_left_out(rejected.popleft())

        def write_left_out(row: LeftOut) -> None:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")

        def drop(row: int, first: int) -> None:
            tally.num_dropped += 1
            write_rejected(before=row)
            write_left_out(LeftOut(row, "", f"duplicate of row {first}"))

        def noted(part: Part, batch: Batch) -> Batch:
            tally.see(part)
            rejected.extend(part.rejected)
            if not deduplicate:
                write_rejected()
            on_progress(tally.num_rows)
            return batch

        with ExitStack() as at_end:
            read = at_end.enter_context(closing(ahead(_read(blocks, reader))))
            at_end.callback(reader.given_up.set)  # before waiting for what is being read
            batches = starmap(noted, read)
            if deduplicate:
                found = chain.from_iterable(from_table(batch.table) for batch in batches)
                scratch = examples.with_name("scratch.parquet")  # gone when all is written
                batches = _batches(
                    without_duplicates(found, deduplicate, scratch=scratch, drop=drop)
                )
            write_tables(examples, map(tally.keep, batches))
        write_rejected()
    return tally


def stage_examples(examples: Iterable[NumberedExample], *, into: Path) -> ImportTally:
    """Write `examples` to the file `into`."""
    tally = ImportTally()
    write_tables(into, map(tally.keep, _batches(examples)))
    return tally


def _read(blocks: Iterable[tuple[int, Block]], reader: Reader) -> Iterator[tuple[Part, Batch]]:
    """What becomes of each block.

    One thread reads, the one that calls this hashes and counts, and the caller's writes: Arrow
    parses, compares and compresses without Python's lock.
    """
    for part in ahead(map(reader.read, blocks)):
        yield part, to_batch(part.table)


def _batches(examples: Iterable[NumberedExample]) -> Iterator[Batch]:
    return map(to_batch, map(to_table, in_batches(examples)))
