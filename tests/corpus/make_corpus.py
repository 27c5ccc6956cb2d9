"""`python -m tests.corpus.make_corpus FOLDER`: write the corpus, the same bytes every time."""

import argparse
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tests.corpus.archive_cases import archive_cases
from tests.corpus.case import Case
from tests.corpus.json_cases import json_cases
from tests.corpus.table_cases import table_cases
from tests.corpus.text_cases import text_cases


def corpus() -> Iterator[Case]:
    """Every case, one at a time, as some hold hundreds of megabytes."""
    return chain(json_cases(), text_cases(), table_cases(), archive_cases())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    num_files = sum(1 for case in corpus() if case.write(folder))
    print(f"{num_files} files in {folder}")


if __name__ == "__main__":
    main()
