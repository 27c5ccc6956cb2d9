"""A dataset version as tokens on disk, made once and then read in place."""

from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tunesmith import artifacts, schema
from tunesmith.data.config import PassagesConfig
from tunesmith.data.dataset import DatasetVersion, read_examples
from tunesmith.data.parallel import map_ahead
from tunesmith.data.passages import cut_pieces, cut_windows
from tunesmith.data.storage import BATCH_SIZE, NumberedExample
from tunesmith.data.token_report import TokenReport, TokenTally, sum_reports
from tunesmith.errors import DatasetRejected
from tunesmith.text.codec import TextCodec, TrainOn
from tunesmith.text.conversation import Example, Passage, texts_of
from tunesmith.text.encoded import EncodedExample, truncate

OnProgress: TypeAlias = Callable[[int], None]
"""Called now and then with the number of examples done."""

# Part of every cache key: raise it when the same text gets other tokens, another mask or files.
FORMAT_VERSION = 2

_BATCH_CHARACTERS = 300_000  # their tokens take about 20 MB on the way to the disk

_WHOLE_PASSAGES = PassagesConfig()
_TOKEN_IDS, _TRAINED, _STARTS, _ROWS = "token_ids.bin", "trained.bin", "starts.bin", "rows.bin"
_REPORT = "report.json"


@dataclass(frozen=True)
class TokenStore:
    """Examples end to end. Axes: T tokens of all examples, N examples.

    Attributes:
        token_ids: int32 [T].
        trained: bool [T], whether the loss counts the prediction of this token.
        starts: int64 [N + 1], where each example starts; the last is T.
        rows: int64 [N], the source row of each example; the windows of a passage have the same.
        report: what tokenizing came to.
    """

    token_ids: NDArray[np.int32]
    trained: NDArray[np.bool_]
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]
    report: TokenReport

    def __len__(self) -> int:
        return len(self.rows)

    def example(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Token ids and mask of example `index`, views without a copy."""
        part = slice(self.starts[index], self.starts[index + 1])
        return self.token_ids[part], self.trained[part]


@dataclass(frozen=True)
class _Tokenizing:
    """What decides the tokens of a dataset version."""

    version: DatasetVersion
    codec: TextCodec
    max_length: int
    system_prompt: str
    train_on: TrainOn
    passages: PassagesConfig

    @property
    def key(self) -> str:
        """SHA-256 over all of it, in hexadecimal."""
        return schema.digest(
            {
                "format_version": FORMAT_VERSION,
                "dataset": self.version.id,
                "codec": self.codec.digest,
                "max_length": self.max_length,
                "system_prompt": self.system_prompt,
                "train_on": self.train_on,
                "passages": self.passages.model_dump(),
            }
        )


def tokenize_dataset(
    version: DatasetVersion,
    codec: TextCodec,
    *,
    max_length: int,
    system_prompt: str,
    train_on: TrainOn,
    cache: Path,
    passages: PassagesConfig = _WHOLE_PASSAGES,
    on_progress: OnProgress = lambda num_examples: None,
) -> TokenStore:
    """Tokenize `version`, or find the tokens that the same inputs gave before in `cache`.

    Conversations longer than `max_length` tokens lose their tail, and those left without a trained
    token are left out; passages are cut as `passages` says. The report counts all of it.

    Raises:
        DatasetRejected: the chat template refuses a row or hides its answers, or no row is left.
        ModelRejected: the model's template or tokenizer cannot be trained with.
    """
    task = _Tokenizing(version, codec, max_length, system_prompt, train_on, passages)
    folder = cache / task.key[:32]
    if not _is_complete(folder):
        artifacts.commit_folder(
            folder,
            kind="tokens",
            write=partial(_write, task=task, on_progress=on_progress),
            lineage={"dataset": version.id, "codec": codec.digest},
        )
    return _open(folder)


def concatenate(stores: Sequence[TokenStore]) -> TokenStore:
    """The examples of `stores` in order as one store; several are copied into memory."""
    if len(stores) == 1:
        return stores[0]
    lengths = np.concatenate([np.diff(store.starts) for store in stores])
    return TokenStore(
        token_ids=np.concatenate([store.token_ids for store in stores]),
        trained=np.concatenate([store.trained for store in stores]),
        starts=_starts(lengths),
        rows=np.concatenate([store.rows for store in stores]),
        report=sum_reports([store.report for store in stores]),
    )


def source_groups(stores: Sequence[TokenStore]) -> NDArray[np.int64]:
    """A number for each example of `stores` in order, ascending from 0: that of its source row.

    The windows of one passage share it; rows of different stores do not.
    """
    changes = [np.diff(store.rows, prepend=-1) != 0 for store in stores]
    return np.cumsum(np.concatenate(changes), dtype=np.int64) - 1


def count_trained(store: TokenStore) -> NDArray[np.int64]:
    """Trained tokens of each example, int64 [N].

    Nothing comes before an example's first token to predict it, so that one does not count.
    """
    first = store.starts[:-1]
    return np.add.reduceat(store.trained, first, dtype=np.int64) - store.trained[first]


def _write(folder: Path, *, task: _Tokenizing, on_progress: OnProgress) -> None:
    tally = TokenTally()
    lengths, rows = array("q"), array("q")
    with (
        (folder / _TOKEN_IDS).open("wb") as token_ids,
        (folder / _TRAINED).open("wb") as trained,
        closing(_encoded(task, tally, on_progress=on_progress)) as encoded,
    ):
        for row, example, whole in encoded:
            parts = _parts(example, whole, task)
            tally.add(row, whole=whole, parts=parts)
            for part in parts:
                token_ids.write(part.token_ids.tobytes())
                trained.write(part.trained.tobytes())
                lengths.append(len(part))
                rows.append(row)
    report = tally.report()
    if report.num_examples == 0:
        raise DatasetRejected(
            f"none of {report.num_rows} rows has an answer within {task.max_length} tokens",
            hint=f"raise data.max_length; the longest example has {report.longest} tokens",
        )
    _starts(np.array(lengths)).tofile(folder / _STARTS)
    np.array(rows).tofile(folder / _ROWS)
    artifacts.write_json(folder / _REPORT, report.model_dump())


def _parts(example: Example, whole: EncodedExample, task: _Tokenizing) -> list[EncodedExample]:
    """What is kept of an example: one part, for a passage as many as it has windows, or none."""
    if isinstance(example, Passage):
        window = task.passages.window or task.max_length
        return cut_windows(whole, window=window, overlap=task.passages.overlap)
    kept = truncate(whole, task.max_length)
    return [kept] if kept.usable else []


def _encoded(
    task: _Tokenizing, tally: TokenTally, *, on_progress: OnProgress
) -> Generator[tuple[int, Example, EncodedExample]]:
    """Read, cut and encode; threads encode the next batches while one is used."""
    for batch, encoded in map_ahead(partial(_encode, task=task), _batches(task, tally)):
        for (row, example), whole in zip(batch.pieces, encoded, strict=True):
            yield row, example, whole
        on_progress(batch.num_rows_read)


@dataclass(frozen=True)
class _Batch:
    """Some examples with their rows, and how many rows had been read by the last of them."""

    pieces: list[NumberedExample]
    num_rows_read: int


def _batches(task: _Tokenizing, tally: TokenTally) -> Iterator[_Batch]:
    pieces: list[NumberedExample] = []
    num_rows, num_characters = 0, 0
    for num_rows, (row, example) in enumerate(read_examples(task.version), start=1):
        cut, num_short = _pieces(example, task.passages)
        tally.see_row(num_short=num_short)
        for piece in cut:
            if len(pieces) == BATCH_SIZE or num_characters > _BATCH_CHARACTERS:
                yield _Batch(pieces, num_rows - 1)
                pieces, num_characters = [], 0
            pieces.append((row, piece))
            num_characters += sum(len(text) for _, text in texts_of(piece))
    yield _Batch(pieces, num_rows)


def _pieces(example: Example, config: PassagesConfig) -> tuple[Sequence[Example], int]:
    return cut_pieces(example, config) if isinstance(example, Passage) else ([example], 0)


def _encode(batch: _Batch, *, task: _Tokenizing) -> tuple[_Batch, list[EncodedExample]]:
    examples = [example for _, example in batch.pieces]
    try:
        encoded = task.codec.encode_many(
            examples, system_prompt=task.system_prompt, train_on=task.train_on
        )
    except DatasetRejected as error:
        raise _naming_the_row(error, batch.pieces, task) from error
    return batch, encoded


def _naming_the_row(
    error: DatasetRejected, batch: list[NumberedExample], task: _Tokenizing
) -> DatasetRejected:
    """Find the row of a batch that `error` is about, by encoding one after the other."""
    for row, example in batch:
        try:
            task.codec.encode(example, system_prompt=task.system_prompt, train_on=task.train_on)
        except DatasetRejected as found:
            return DatasetRejected(f"row {row}: {found.message}", hint=found.hint)
    return error


def _is_complete(folder: Path) -> bool:
    """Whether the files have their recorded sizes; hashing them would cost as much as reading."""
    manifest = artifacts.read_manifest(folder)
    return manifest is not None and all(
        (folder / name).is_file() and (folder / name).stat().st_size == entry.bytes
        for name, entry in manifest.files.items()
    )


def _open(folder: Path) -> TokenStore:
    return TokenStore(
        token_ids=_mapped(folder / _TOKEN_IDS, np.int32),
        trained=_mapped(folder / _TRAINED, np.bool_),
        starts=_mapped(folder / _STARTS, np.int64),
        rows=_mapped(folder / _ROWS, np.int64),
        report=TokenReport.model_validate_json((folder / _REPORT).read_text("utf-8")),
    )


def _mapped(path: Path, dtype: DTypeLike) -> NDArray[Any]:
    return np.memmap(path, dtype, mode="r")


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
