"""Whatever the bytes: rows, or an error made for the user; and a part of the corpus."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus.case import Case
from tests.corpus.check import problem_of
from tests.corpus.json_cases import json_cases
from tests.corpus.reading import read_file
from tests.corpus.text_cases import text_cases
from tunesmith.data.sources import READERS

SEPARATED = r'{"text": "a"}~[~]~{~}~"~:~,~\u~\~NaN~1e9~null~中~{"messages": [{"role": "user"}]}'
PIECES = [*SEPARATED.split("~"), "\n", "\r", "\t", " ", "\0", "\ufeff", "\ud800", "1" * 5000]
JSON_PIECES = st.sampled_from(PIECES)
TEXTS = st.lists(JSON_PIECES).map("".join).map(lambda text: text.encode("utf-8", "surrogatepass"))
CONTENTS = st.one_of(st.binary(max_size=300), TEXTS, st.text().map(lambda t: t.encode("utf-16")))


@given(content=CONTENTS, kind=st.sampled_from([*READERS, ".zip"]), packed=st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_bytes_become_rows_or_one_sentence(content: bytes, kind: str, packed: bool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a{kind}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content, 1) if packed else content)
        accepted, sentence = read_file(path)
        assert accepted or (path.name in sentence and sentence.isprintable())


SMALL = [case for case in (*json_cases(), *text_cases()) if isinstance(case.content, bytes)][::3]


@pytest.mark.parametrize("case", SMALL, ids=[case.name for case in SMALL])
def test_a_third_of_the_corpus(tmp_path: Path, case: Case) -> None:
    accepted, sentence = read_file(case.write(tmp_path))
    assert problem_of(case, accepted=accepted, sentence=sentence) == ""
