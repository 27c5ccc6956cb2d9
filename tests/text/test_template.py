from datetime import date

import pytest

from tunesmith.errors import DatasetRejected, ModelRejected
from tunesmith.text import template as module
from tunesmith.text.conversation import Message
from tunesmith.text.template import ChatTemplate

HELLO = [Message("user", "hello")]


def render(source: str, **options: object) -> str:
    return ChatTemplate(source, special_tokens={"bos_token": "<s>"}).render(HELLO, **options)


def test_special_tokens_and_generation_prompt_are_variables() -> None:
    source = "{{ bos_token }}{{ messages[0].content }}{% if add_generation_prompt %}>{% endif %}"
    assert render(source) == "<s>hello"
    assert render(source, add_generation_prompt=True) == "<s>hello>"


def test_the_clock_stands_still() -> None:
    source = "{{ strftime_now('%d %b %Y') }}"
    template = ChatTemplate(source, special_tokens={}, today=date(2024, 7, 26))
    assert template.render(HELLO) == "26 Jul 2024"
    assert render(source) == render(source)


def test_tojson_keeps_characters_as_they_are() -> None:
    assert render("{{ {'a': '<你>'} | tojson }}") == '{"a": "<你>"}'


def test_absent_tools_are_none_not_undefined() -> None:
    assert render("{% if tools is not none %}tools{% endif %}") == ""


def test_generation_tags_and_loop_controls_are_read() -> None:
    answer = "{% generation %}{{ m.content }}{% endgeneration %}"
    source = "{% for m in messages %}" + answer + "{% break %}{% endfor %}"
    assert render(source) == "hello"


def test_a_refusal_is_about_the_conversation() -> None:
    with pytest.raises(DatasetRejected, match="refuses this conversation: roles must alternate"):
        render("{{ raise_exception('roles must alternate') }}")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("{% for %}", "not valid Jinja: line 1"),
        ("{{ messages[0].nothing.more }}", "the chat template fails: .*no attribute 'nothing'"),
        ("{{ 1 + 'a' }}", "the chat template fails"),
        ("{{ messages.append(1) }}", "the chat template fails: .*unsafe"),
        ("{{ ''.__class__.__mro__ }}", "the chat template fails: .*unsafe"),
        ("{% for i in range(10**9) %}x{% endfor %}", "the chat template fails: Range too big"),
    ],
)
def test_a_broken_or_hostile_template_is_the_models_fault(source: str, sentence: str) -> None:
    with pytest.raises(ModelRejected, match=sentence):
        render(source)


def test_a_template_may_not_render_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RENDERED_CHARACTERS", 1000)
    with pytest.raises(ModelRejected, match="renders more than 1,000 characters"):
        render("{% for i in range(2000) %}x{% endfor %}")
