from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.data.digests import digests_of
from tunesmith.data.statistics import RoleStats, to_batch
from tunesmith.data.storage import (
    BATCH_SIZE,
    in_batches,
    read_slice,
    stream_examples,
    to_table,
    write_examples,
)
from tunesmith.text.conversation import (
    Classified,
    Conversation,
    Example,
    Message,
    Passage,
    Preference,
    texts_of,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
json_texts = st.sampled_from(["", '[{"type":"function","function":{"name":"f"}}]', '[{"id":"é"}]'])
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=texts,
    tool_calls=json_texts,
    tool_call_id=texts,
    name=texts,
)
turns = st.lists(messages, max_size=4).map(tuple)
examples = st.one_of(
    st.builds(Conversation, messages=turns, tools=json_texts),
    st.builds(Passage, text=texts),
    st.builds(Preference, prompt=turns, chosen=turns, rejected=turns, tools=json_texts),
    st.builds(Classified, text=texts, label=texts),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(examples, max_size=6))
def test_what_is_written_is_read_back(tmp_path: Path, written: list[Example]) -> None:
    path = tmp_path / "data.parquet"
    numbered = list(enumerate(written, start=3))
    write_examples(path, numbered)
    assert list(stream_examples(path)) == numbered


def test_a_file_of_before_there_were_tools_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    schema = pa.schema(
        {
            "row": pa.int64(),
            "kind": pa.string(),
            "messages": pa.list_(pa.struct({"role": pa.string(), "content": pa.string()})),
            "text": pa.string(),
        }
    )
    turn = {"role": "assistant", "content": "hi"}
    records = [
        {"row": 1, "kind": "conversation", "messages": [turn]},
        {"row": 2, "kind": "passage", "text": "hello"},
    ]
    pq.write_table(pa.Table.from_pylist(records, schema=schema), path)
    assert list(stream_examples(path)) == [
        (1, Conversation((Message("assistant", "hi"),))),
        (2, Passage("hello")),
    ]


def test_many_are_streamed_in_batches(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    numbered = [(row, Passage(str(row))) for row in range(2 * BATCH_SIZE + 1)]
    write_examples(path, iter(numbered))
    assert list(stream_examples(path)) == numbered
    assert [len(batch) for batch in in_batches(numbered)] == [BATCH_SIZE, BATCH_SIZE, 1]


def test_a_slice_is_what_streaming_gives_there(tmp_path: Path) -> None:
    """Across row groups, at the end, and behind it."""
    path = tmp_path / "examples.parquet"
    examples = [(number, Passage(f"text {number}")) for number in range(2 * BATCH_SIZE + 10)]
    write_examples(path, examples)
    for skip in (0, BATCH_SIZE - 5, BATCH_SIZE, 2 * BATCH_SIZE + 5, 2 * BATCH_SIZE + 10):
        assert read_slice(path, skip=skip, limit=20) == examples[skip : skip + 20]
    assert read_slice(path, skip=0, limit=2 * BATCH_SIZE + 3) == examples[: 2 * BATCH_SIZE + 3]


@settings(deadline=None)
@given(examples, examples)
def test_examples_have_one_digest_if_and_only_if_they_are_equal(
    one: Example, other: Example
) -> None:
    first, second = digests_of(to_table([(1, one), (2, other)]))
    assert (first == second) == (one == other)


@settings(deadline=None)
@given(st.lists(examples, max_size=6))
def test_a_digest_depends_on_the_example_alone(several: list[Example]) -> None:
    digests = digests_of(to_table(list(enumerate(several))))
    assert digests == [digests_of(to_table([(9, each)]))[0] for each in several]


@settings(deadline=None)
@given(st.lists(examples, max_size=6))
def test_counts_by_the_column_are_those_of_every_text(several: list[Example]) -> None:
    lengths: dict[str, list[int]] = {}
    for role, text in chain.from_iterable(map(texts_of, several)):
        lengths.setdefault(role, []).append(len(text))
    counted = to_batch(to_table(list(enumerate(several)))).roles
    assert counted == {
        role: RoleStats(num_texts=len(each), num_characters=sum(each), longest=max(each))
        for role, each in lengths.items()
    }


def test_every_text_is_counted_for_whose_it_is() -> None:
    asked, called = Message("user", "a"), Message("assistant", "", tool_calls="[1]")
    assert texts_of(Conversation((asked, called), "[2]")) == [
        ("tools", "[2]"),
        ("user", "a"),
        ("assistant", ""),
        ("assistant", "[1]"),
    ]
    pair = Preference((asked,), (Message("assistant", "b"),), (Message("assistant", "c"),))
    assert texts_of(pair) == [("user", "a"), ("chosen", "b"), ("rejected", "c")]
    assert texts_of(Classified("a", "b")) == [("text", "a"), ("label", "b")]
