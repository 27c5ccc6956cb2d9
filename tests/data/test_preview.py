from tests.text.tiny import tiny_codec
from tunesmith.data.preview import preview_tokens
from tunesmith.text.conversation import Conversation, Message, Passage

TALK = Conversation((Message("user", "hello 你"), Message("assistant", "好 😀!")))


def test_the_texts_of_the_tokens_are_the_whole_text() -> None:
    codec = tiny_codec()
    views = preview_tokens(codec, TALK, max_length=100)
    assert "".join(view.text for view in views) == codec.encode(TALK).text
    assert "".join(view.text for view in views if view.trained) == "好 😀!<|im_end|>"
    assert "".join(view.text for view in views if view.role == "user") == "hello 你"
    assert [view.id for view in views] == codec.encode(TALK).token_ids.tolist()


def test_what_truncation_takes_is_shown_as_cut() -> None:
    views = preview_tokens(tiny_codec(), Passage("hello you"), max_length=2)
    assert [view.cut for view in views] == [False, False, *[True] * (len(views) - 2)]
    assert [view.trained for view in views] == [not view.cut for view in views]
