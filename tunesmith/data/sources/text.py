"""Bytes as text: the encoding is recognised, line ends of every kind become a newline."""

import codecs
import io
from collections.abc import Iterable, Iterator

import numpy as np

from tunesmith.data.sources.datafile import MAX_ROW_CHARACTERS, ByteStream, DataFile, NumberedRow

# What is done once a block takes some 2 ms in all threads: with 1 MB that was a fifth of an import.
_CHUNK_BYTES = 4 << 20
_NEWLINE = ord("\n")
_MAGIC = {
    b"\x1f\x8b": "gzip data",
    b"\x28\xb5\x2f\xfd": "zstd data",
    b"PK\x03\x04": "a .zip or .xlsx file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF file",
    b"\xd0\xcf\x11\xe0": "an old Office file",
}
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16, so it is looked up first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "gb18030": "GB18030",
}
# A hundred characters that make up some 40 % of Chinese text, and 3 % of Korean read as Chinese.
_COMMON_HANZI = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过"
    "发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本"
)
_PLAIN_CHINESE = (
    ("\u4e00", "\u9fff"),
    ("\u3000", "\u303f"),
    ("\uff00", "\uffef"),
    ("\u2010", "\u203f"),
)


def read_lines(file: DataFile) -> Iterator[tuple[int, str]]:
    """Lines without their ends, numbered from 1.

    Raises:
        DatasetRejected: not text in an encoding that is read, or a line that is too long.
    """
    for first, _, lines in split_blocks(file, utf8_chunks(file)):
        yield from enumerate(lines.decode().split("\n"), start=first)


def split_blocks(file: DataFile, chunks: Iterable[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """What `utf8_chunks` gives, cut at ends of lines: the first line, how many there are, they all.

    Raises:
        DatasetRejected: as `read_lines`.
    """
    number, rest = 1, b""
    for chunk in chunks:
        end = chunk.rfind(b"\n")
        if end >= 0:
            num_lines = count_newlines(chunk)
            yield number, num_lines, b"".join((rest, memoryview(chunk)[:end]))
            number += num_lines
            rest = b""
        rest += chunk[end + 1 :]
        if len(rest) > MAX_ROW_CHARACTERS and len(rest.decode()) > MAX_ROW_CHARACTERS:
            raise file.row_too_long(f"line {number}", hint="break it into lines")
    if rest:
        yield number, 1, rest


def count_newlines(utf8: bytes) -> int:
    """As `bytes.count`, several times as fast where lines are short."""
    return int(np.count_nonzero(np.frombuffer(utf8, np.uint8) == _NEWLINE))


def read_passages(file: DataFile) -> Iterator[NumberedRow]:
    """One passage a line, numbered by line; blank lines are no rows."""
    for number, line in read_lines(file):
        if line.strip():
            yield number, {"text": line}


def text_chunks(file: DataFile) -> Iterator[str]:
    """What `utf8_chunks` gives, as text.

    Raises:
        DatasetRejected: as `utf8_chunks`.
    """
    return map(bytes.decode, utf8_chunks(file))


def utf8_chunks(file: DataFile) -> Iterator[bytes]:
    """The text of `file` in UTF-8, without a byte order mark and with newlines only.

    Every piece is whole characters.

    Raises:
        DatasetRejected: not text in an encoding that is read, naming line and byte.
    """
    return _recoded(file)


def _recoded(file: DataFile) -> Iterator[bytes]:
    decoder = _Decoder()
    newlines = io.IncrementalNewlineDecoder(decoder, translate=True)
    num_bytes = num_lines = 0
    while True:
        chunk = _read_fully(file.stream)
        if num_bytes == 0:
            _refuse_magic(file, chunk)
        num_bytes += len(chunk)
        try:
            utf8 = newlines.decode(chunk, final=not chunk).encode()
        except UnicodeDecodeError as error:
            raise _undecodable(file, error, num_bytes, num_lines, decoder) from error
        file.encoding = decoder.encoding
        if b"\0" in utf8:
            line = num_lines + utf8.count(b"\n", 0, utf8.index(b"\0")) + 1
            raise file.rejected("holds a NUL character", at=f"line {line}", hint="save it as text")
        num_lines += count_newlines(utf8)
        if utf8:
            yield utf8
        if not chunk:
            return


def _read_fully(stream: ByteStream) -> bytes:
    """A whole chunk, as streams may give less than was asked for."""
    parts: list[bytes] = []
    missing = _CHUNK_BYTES
    while missing and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _refuse_magic(file: DataFile, head: bytes) -> None:
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise file.rejected(
                f"holds {what}, not text", hint="give the file the ending of what it is"
            )
    if _by_mark(head) == "utf-32":
        raise file.rejected("is UTF-32, which is not read", hint="save it as UTF-8")


def _undecodable(
    file: DataFile, error: UnicodeDecodeError, num_bytes: int, num_lines: int, decoder: "_Decoder"
) -> Exception:
    # The decoder may have put bytes left over from the last chunk before this one.
    offset = num_bytes - len(error.object) + error.start
    before = error.object[: error.start].decode(error.encoding, errors="replace")
    line = num_lines + before.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    byte = error.object[error.start]
    encoding = _NAMES[decoder.encoding]
    return file.rejected(
        f"not {encoding} text: byte {offset + 1:,} of the file is 0x{byte:02x}",
        at=f"line {line}",
        hint="save the file as UTF-8; UTF-16 and GB18030 are recognised too",
    )


class _Decoder(codecs.IncrementalDecoder):
    """Chooses the encoding at the first bytes that tell encodings apart.

    Until then all is ASCII, which they have in common, so a file may start with any length of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoding = "utf-8"
        self._is_start = True
        self._chosen: codecs.IncrementalDecoder | None = None

    def decode(self, input: bytes, final: bool = False) -> str:  # type: ignore[override]
        if self._chosen is None:
            if input.isascii() and not (self._is_start and b"\0" in input):
                self._is_start = self._is_start and not input
                return input.decode("ascii")
            self.encoding = _recognise(input, is_start=self._is_start)
            self._chosen = codecs.getincrementaldecoder(self.encoding)()
            if self.encoding.startswith("utf-16") and self._is_start and _by_mark(input):
                input = input[2:]
        return self._chosen.decode(input, final)


def _recognise(sample: bytes, *, is_start: bool) -> str:
    """The encoding of `sample`, UTF-8 if no other fits."""
    if is_start and (marked := _by_mark(sample)):
        return marked
    if is_start and (wide := _by_zero_bytes(sample)):
        return wide
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "gb18030" if _is_gb18030(sample) else "utf-8"
    return "utf-8"


def _by_mark(sample: bytes) -> str:
    return next((encoding for mark, encoding in _BOMS.items() if sample.startswith(mark)), "")


def _by_zero_bytes(sample: bytes) -> str:
    """UTF-16 without a mark: its ASCII characters have a zero byte, nearly always on one side."""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if even + odd == 0 or min(even, odd) > max(even, odd) / 4:
        return ""
    encoding = "utf-16-be" if even > odd else "utf-16-le"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return ""
    num_ascii = sum("\0" < character <= "\x7f" for character in text)
    return encoding if num_ascii > len(text) / 2 or _reads_as_chinese(text) else ""


def _is_gb18030(sample: bytes) -> bool:
    """Whether bytes that are not UTF-8 are Chinese text in GB18030, as which nearly any decode.

    What is partly UTF-8 would be garbled without a word, so it is refused.
    """
    as_utf8 = sample.decode("utf-8", errors="replace")
    num_bad = as_utf8.count("\ufffd")
    if sum(character > "\u07ff" for character in as_utf8) - num_bad > num_bad / 10:
        return False
    # A bad byte among Chinese text is refused where it is met, with its place.
    decoder = codecs.getincrementaldecoder("gb18030")(errors="replace")
    return _reads_as_chinese(decoder.decode(sample))


def _reads_as_chinese(text: str) -> bool:
    """Whether four fifths of what is not ASCII are hanzi and their punctuation.

    Of them, one in twenty must be among the hundred most common.
    """
    foreign = [character for character in text if character > "\x7f"]
    num_plain = sum(any(low <= c <= high for low, high in _PLAIN_CHINESE) for c in foreign)
    num_common = sum(character in _COMMON_HANZI for character in foreign)
    return num_plain >= 0.8 * len(foreign) and num_common > 0.05 * len(foreign)
