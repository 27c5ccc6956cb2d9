from tunesmith.data.quality import find_trouble
from tunesmith.data.storage import to_table
from tunesmith.text.conversation import Classified, Conversation, Example, Message, Passage


def talk(prompt: str, answer: str, *, system: str = "") -> Conversation:
    turns = (Message("user", prompt), Message("assistant", answer))
    return Conversation((Message("system", system), *turns) if system else turns)


def trouble(*examples: Example) -> dict[str, list[int]]:
    numbered = list(enumerate(examples, start=1))
    findings = find_trouble([to_table(numbered[:2]), to_table(numbered[2:])])
    assert all(len(each.first_rows) == each.num_examples for each in findings)
    return {each.kind: each.first_rows for each in findings if each.num_examples}


def test_clean_examples_have_none() -> None:
    assert trouble(talk("one?", "1"), talk("two?", "two"), Passage("three\n\tlines ½ é Ā")) == {}


def test_each_kind_is_found_where_it_is() -> None:
    assert trouble(talk("a", "?"), talk("b", "fine")) == {"empty answers": [1]}
    assert trouble(talk("a", "x"), talk("b", "y"), talk("a", "x")) == {"duplicates": [3]}
    assert trouble(talk("a", "x"), talk("b", "x")) == {"repeated answers": [2]}
    assert trouble(talk("a", "x"), talk("b", "z"), talk("a", "y")) == {
        "conflicting answers": [1, 3]
    }
    assert trouble(talk("a", "x"), talk("a", "y", system="s")) == {}
    assert trouble(Passage("a \ufffd b"), Passage("caf\u00c3\u00a9"), Passage("\x07 bell")) == {
        "lost characters": [1],
        "mojibake": [2],
        "control characters": [3],
    }


def test_labels_conflict_too() -> None:
    rows = [Classified("good", "yes"), Classified("good", "no"), Classified("bad", "no")]
    assert trouble(*rows) == {"conflicting answers": [1, 2], "repeated answers": [3]}


def test_lengths_far_from_the_others_stand_out() -> None:
    texts = [Passage(f"{n:03} " + "word " * (20 + n % 7)) for n in range(50)]
    found = trouble(*texts, Passage("word " * 4000), Passage("x"))
    assert found == {"length outliers": [51, 52]}


def test_mojibake_of_windows_1252_is_seen_and_accents_are_not() -> None:
    broken = [text.encode().decode("cp1252") for text in ("it’s", "“so", "10 €", "é")]
    assert trouble(*map(Passage, broken))["mojibake"] == [1, 2, 3, 4]
    assert trouble(Passage("Ça va, São Tomé, ÂGE, Ñandú, Ærø")) == {}
