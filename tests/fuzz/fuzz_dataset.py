"""`make fuzz-data [FUZZ_SECONDS=60]`: fuzz the readers with atheris, coverage-guided.

The first byte of an input chooses the kind of file, the rest is the file. It starts from the small
files of the corpus. An exception other than an error made for the user ends it, and the input is
left beside. The target installs atheris, which is no part of the locked environment.
"""

import sys
import tempfile
from pathlib import Path

import atheris  # pyright: ignore[reportMissingImports]

with atheris.instrument_imports(  # pyright: ignore[reportAttributeAccessIssue]
    include=["tunesmith.data", "zipfile", "json", "csv", "openpyxl"]
):
    from tests.corpus.make_corpus import corpus
    from tests.corpus.reading import read_file

KINDS = (
    *("json", "jsonl", "csv", "tsv", "txt", "xlsx", "parquet"),
    *("zip", "jsonl.gz", "jsonl.zst", "parquet.gz", "xlsx.zst"),
)
_MAX_SEED_BYTES = 20_000


def write_seeds(folder: Path) -> int:
    """Write the small files of the corpus as inputs; how many there are."""
    num_seeds = 0
    for case in corpus():
        kind = case.name.partition(".")[2]
        if (
            isinstance(case.content, bytes)
            and len(case.content) < _MAX_SEED_BYTES
            and kind in KINDS
        ):
            (folder / case.name).write_bytes(bytes([KINDS.index(kind)]) + case.content)
            num_seeds += 1
    return num_seeds


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as scratch:
        seeds = Path(scratch) / "seeds"
        seeds.mkdir()
        print(f"{write_seeds(seeds)} seeds")

        def target(data: bytes) -> None:
            if data:
                path = Path(scratch) / f"a.{KINDS[data[0] % len(KINDS)]}"
                path.write_bytes(data[1:])
                read_file(path)

        options = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2000"]
        atheris.Setup([sys.argv[0], *options, f"-max_len={_MAX_SEED_BYTES}", str(seeds)], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
