"""A template is taken not to look at contents only if it does not, whatever it tries."""

import pytest

from tunesmith.text.conversation import Message
from tunesmith.text.template import ChatTemplate

TALK = [Message("system", "be kind"), Message("user", "hello"), Message("assistant", "hello you")]

ONLY_PRINTING = [
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}",
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}",
    "{% for m in messages %}{{ '<' + m.content | trim + '>' }}{% endfor %}",
    "{% for m in messages[1:] %}{% set c = m.content %}{{ messages[0].content + c }}{% endfor %}",
    "{% for m in messages %}{% if m.content %}{{ m.content or '' }}{% endif %}{% endfor %}",
    "{% set n = namespace(c='') %}{% for m in messages %}{% set n.c = n.c + m.content %}"
    "{% endfor %}{{ n.c }}",
    "{{ messages[0].content if messages[0].content is not none else 'nothing' }}",
]
LOOKING = [
    "{% if c == 'hello' %}!{% endif %}",
    "{% if 'hello' != c %}!{% endif %}",
    "{% if 'he' in c %}!{% endif %}",
    "{% if c in 'hello' %}!{% endif %}",
    "{% if c in ['hello'] %}!{% endif %}",
    "{% if c in {'hello': 1} %}!{% endif %}",
    "{% if c < 'i' %}!{% endif %}",
    "{{ c[0] }}",
    "{{ c[:2] }}",
    "{% for letter in c %}{{ letter }},{% endfor %}",
    "{{ c.upper() }}",
    "{{ c.strip() }}",
    "{% if c.strip is defined %}!{% endif %}",
    "{% if c is string %}!{% else %}?{% endif %}",
    "{% if c is iterable %}!{% endif %}",
    "{% if c is sequence %}!{% endif %}",
    "{% if c is lower %}!{% endif %}",
    "{% if c is mapping %}!{% endif %}",
    "{% if c is eq 'hello' %}!{% endif %}",
    "{{ c | length }}",
    "{{ c | upper }}",
    "{{ c | tojson }}",
    "{{ c | default('x') }}",
    "{{ c | trim('h') }}",
    "{{ ('\n' + c) | trim }}",
    "{% if c | trim %}!{% endif %}",
    "{% if '' + c %}!{% endif %}",
    "{{ c ~ '!' }}",
    "{{ '%s' % c }}",
    "{{ '%s' | format(c) }}",
    "{{ 'a' | replace('a', c) }}",
    "{{ [c] }}",
    "{{ [c] | join }}",
    "{{ [c, 'a'] | sort | first }}",
    "{{ [c, c] | unique | list | length }}",
    "{{ messages | selectattr('content', 'equalto', 'hello') | list | length }}",
    "{{ messages[0] }}",
    "{{ messages | tojson }}",
    "{{ raise_exception(c) }}",
    "{% for m in messages %}{% if loop.changed(m.content) %}!{% endif %}{% endfor %}",
    "{% macro say(x) %}{{ x }}{% endmacro %}{{ say(c) | length }}",
    "{% set x %}{{ c }}{% endset %}{{ x | length }}",
    "{% filter upper %}{{ c }}{% endfilter %}",
    "{% block b %}{{ c }}{% endblock %}{{ self.b() | length }}",
    "{% for m in [1] recursive %}{{ c }}{{ loop([]) | length }}{% endfor %}",
    "{% macro say() %}{{ caller() | length }}{% endmacro %}{% call say() %}{{ c }}{% endcall %}",
]


@pytest.mark.parametrize("source", ONLY_PRINTING)
def test_what_only_prints_prints_the_same_unseen(source: str) -> None:
    template = ChatTemplate(source, special_tokens={})
    assert template.render_unseen(TALK) == template.render(TALK) != ""


@pytest.mark.parametrize("source", LOOKING)
def test_what_looks_is_found_out(source: str) -> None:
    template = ChatTemplate("{% set c = messages[1].content %}" + source, special_tokens={})
    assert template.render_unseen(TALK) is None


def test_a_refusal_is_no_proof() -> None:
    template = ChatTemplate("{{ raise_exception('no') }}", special_tokens={})
    assert template.render_unseen(TALK) is None


def test_unseen_texts_are_paid_for_too() -> None:
    double = "{% for i in range(60) %}{% set n.c = n.c + n.c %}{% endfor %}"
    source = "{% set n = namespace(c=messages[0].content) %}" + double
    assert ChatTemplate(source, special_tokens={}).render_unseen(TALK) is None
