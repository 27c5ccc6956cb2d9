"""Templates are programs from outside: none may reach Python, and each must end."""

import time

import pytest

from tunesmith.errors import DatasetRejected, ModelRejected
from tunesmith.text import budget
from tunesmith.text.conversation import Message
from tunesmith.text.template import ChatTemplate

HELLO = [Message("user", "hello"), Message("assistant", "hi " * 100)]

ESCAPES = [
    "''.__class__",
    "''.__class__.__mro__[1].__subclasses__()",
    "''['__class__']['__mro__']",
    "''|attr('__class__')",
    "messages.__class__.__base__",
    "messages[0].__class__.__init__.__globals__",
    "messages[0].get.__self__",
    "messages[0]['__class__']",
    "().__class__.__bases__[0].__subclasses__()[40]('/etc/passwd').read()",
    "cycler.__init__.__globals__.os.popen('id').read()",
    "cycler('a').__init__.__globals__",
    "joiner.__init__.__globals__.__builtins__",
    "namespace.__init__.__globals__.os",
    "lipsum.__globals__.os.popen('id').read()",
    "lipsum(5)",
    "self.__init__.__globals__.__builtins__.__import__('os')",
    "self._TemplateReference__context",
    "self",
    "request.application.__globals__",
    "config.items()",
    "raise_exception.__globals__",
    "strftime_now.__closure__",
    "strftime_now.__globals__['BUDGET']",
    "range.__class__.__mro__",
    "dict.mro()",
    "dict.fromkeys",
    "dict(a=1).__class__.__base__",
    "'{0.__class__}'.format('')",
    "'{0.__class__.__mro__}'.format(messages)",
    "'{a.__class__}'.format_map({'a': ''})",
    "('%s' % messages).format",
    "[''.format] | map('list')",
    "['{0.__class__}'] | map('format', '') | list | first | attr('x')",
    "messages | map(attribute='__class__') | list",
    "messages | map(attribute='__class__.__mro__') | list",
    "[messages] | groupby('__class__')",
    "messages | selectattr('__class__') | list | first | attr('__init__')",
    "(1).__class__.__bases__",
    "1.0.fromhex.__self__",
    "(1).to_bytes(9)",
    "namespace(__class__=1)",
    "namespace(_x=1)",
    "messages.append(1)",
    "messages[0].update(role='x')",
    "messages[0].pop('role')",
    "messages[0].clear()",
    "messages.sort()",
    "caller()",
    "get_flashed_messages.__globals__",
    "url_for.__globals__",
    "loop.__class__",
    "cycler",
    "range",
    "messages | pprint",
    "messages | xmlattr",
    "messages | random",
    "().__reduce_ex__(2)",
    "environment.globals",
    "x.__init__.__builtins__",
    "''.encode().decode.__self__",
]
STATEMENTS = [
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import system %}",
    "{% extends '/etc/passwd' %}",
    "{% set x = namespace() %}{% set x.__class__ = 1 %}",
    "{% set x = namespace() %}{% set x._y = 1 %}",
    "{% macro a() %}{{ caller.__globals__ }}{% endmacro %}{% call a() %}{% endcall %}",
    "{% macro a() %}{% endmacro %}{{ a.__init__ }}",
    "{% macro a() %}{% endmacro %}{{ a._func.__globals__ }}",
    "{% for i in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{% for i in [1] %}{{ loop._iterator }}{% endfor %}",
    "{% filter attr('__class__') %}x{% endfilter %}",
    "{% debug %}",
    "{% do messages.append(1) %}",
    "{% set messages[0] = 1 %}",
    "{% block a %}{{ self.a.__call__ }}{% endblock %}",
]
TELLING = ("class '", "<function", "/etc/", "root:", "__globals__", "builtin", " at 0x", "uid=")


def rendered_or_refused(source: str) -> str:
    """What `source` renders, or nothing if it is refused in one sentence."""
    try:
        return ChatTemplate(source, special_tokens={}).render(HELLO)
    except ModelRejected as refusal:
        return "several lines" * 99 if "\n" in refusal.message else ""


@pytest.mark.parametrize("source", [*("{{ " + each + " }}" for each in ESCAPES), *STATEMENTS])
def test_no_template_reaches_python(source: str) -> None:
    text = rendered_or_refused(source)
    assert not any(sign in text for sign in TELLING)
    assert HELLO[0] == Message("user", "hello")


BOMBS = {
    "nested loops": "{% for i in range(99999) %}{% for j in range(99999) %}"
    "{% endfor %}{% endfor %}",
    "printing loops": "{% for i in range(99999) %}{% for j in range(99999) %}xxxxxxxx"
    "{% endfor %}{% endfor %}",
    "loops that skip": "{% for i in range(99999) %}{% for j in range(99999) if false %}"
    "{% endfor %}{% endfor %}",
    "a text times": "{{ 'a' * 10**10 }}",
    "a text times, the other way": "{{ 10**10 * 'a' }}",
    "a list times": "{{ ([1] * 10**10) | length }}",
    "a large power": "{{ 10 ** 10 ** 8 }}",
    "a power of powers": "{{ ((10 ** 70) ** 70) ** 70 }}",
    "squares": "{% set n = namespace(x=9) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}"
    "{% endfor %}{{ n.x }}",
    "doubled text": "{% set n = namespace(x='a') %}{% for i in range(99) %}"
    "{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
    "doubled by ~": "{% set n = namespace(x='a') %}{% for i in range(99) %}"
    "{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "doubled list": "{% set n = namespace(x=[1]) %}{% for i in range(99) %}"
    "{% set n.x = n.x + n.x %}{% endfor %}{{ n.x | length }}",
    "a list of itself": "{% set n = namespace(x=['a']) %}{% for i in range(60) %}"
    "{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
    "a dictionary of itself": "{% set n = namespace(x={}) %}{% for i in range(60) %}"
    "{% set n.x = {'a': n.x, 'b': n.x} %}{% endfor %}{{ n.x | tojson }}",
    "dict() of itself": "{% set n = namespace(x={}) %}{% for i in range(60) %}"
    "{% set n.x = dict(a=n.x, b=n.x) %}{% endfor %}{{ n.x }}",
    "equal lists of themselves": "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}"
    "{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}",
    "namespaces in namespaces": "{% set n = namespace(x=1) %}{% for i in range(60) %}"
    "{% set n.x = namespace(a=n.x, b=n.x) %}{% endfor %}{{ [n.x] }}",
    "namespaces as a text": "{% set n = namespace(x=1) %}{% for i in range(60) %}"
    "{% set n.x = namespace(a=n.x, b=n.x) %}{% endfor %}{{ '%s' % n.x }}",
    "a wide format": "{{ '%999999999d' % 1 }}",
    "a format of any width": "{{ '%*d' % (999999999, 1) }}",
    "a wide format filter": "{{ '%999999999d' | format(1) }}",
    "a wide str.format": "{{ '{:999999999}'.format(1) }}",
    "center": "{{ 'a' | center(999999999) }}",
    "str.center": "{{ 'a'.center(999999999) }}",
    "str.zfill": "{{ 'a'.zfill(999999999) }}",
    "str.ljust": "{{ 'a'.ljust(999999999) }}",
    "str.expandtabs": "{{ '\t'.expandtabs(999999999) }}",
    "a wide indent": "{{ 'a\nb' | indent(999999999) }}",
    "a wide tojson": "{{ [1] | tojson(indent=999999999) }}",
    "replace": "{{ ('a' * 99999) | replace('a', 'b' * 99999) }}",
    "str.replace": "{{ ('a' * 99999).replace('a', 'b' * 99999) }}",
    "replace nothing": "{{ ('a' * 99999).replace('', 'b' * 99999) }}",
    "join": "{{ [('a' * 9999)] * 9999 | join }}",
    "join by a long text": "{{ range(99999) | join('b' * 99999) }}",
    "str.join": "{{ ('b' * 99999).join(['a'] * 99999) }}",
    "str.join of a text": "{{ ('b' * 99999).join('a' * 99999) }}",
    "str.join of a filter": "{{ ('b' * 99999).join(range(99999) | map('string')) }}",
    "str.split": "{{ ('a ' * 9999999).split() | length }}",
    "str.split by a text": "{{ ('a ' * 9999999).split(' ') | length }}",
    "slices": "{{ [1] | slice(999999999) | list }}",
    "batch": "{{ [1] | batch(999999999, 0) | list }}",
    "round": "{{ 1.5 | round(999999999, 'ceil') }}",
    "sum of lists": "{{ ([[1] * 999] * 9999) | sum(start=[]) }}",
    "macros that call themselves": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}"
    "{% endif %}{% endmacro %}{{ f(60) }}",
    "a macro without end": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a loop without end": "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "loops that call themselves": "{% for x in [40] recursive %}{% if x %}"
    "{{ loop([x - 1]) }}{{ loop([x - 1]) }}{% endif %}{% endfor %}",
    "blocks that call themselves": "{% set n = namespace(d=0) %}{% block a %}{% if n.d < 60 %}"
    "{% set n.d = n.d + 1 %}{{ self.a() }}{{ self.a() }}{% endif %}{% endblock %}",
    "long comparisons": "{% set a = 'a' * 9999999 %}{% set b = 'a' * 9999999 %}"
    "{% for i in range(99999) %}{% if a == b %}{% endif %}{% endfor %}",
    "slices of a long text": "{% set a = 'a' * 9999999 %}{% for i in range(99999) %}"
    "{% set b = a[1:] %}{% endfor %}",
    "filled by a macro": "{% set a = 'a' * 999999 %}{% macro f() %}{% for i in range(99999) %}"
    "{{ a }}{% endfor %}{% endmacro %}{{ f() | length }}",
    "filled by a set block": "{% set a %}{% for i in range(99999) %}{{ 'a' * 99999 }}{% endfor %}"
    "{% endset %}",
    "lists of long texts": "{% set n = namespace(x=[]) %}{% for i in range(99999) %}"
    "{% set n.x = n.x + ['a' * 9999 + i | string] %}{% endfor %}",
    "large integers of text": "{{ (('f' * 9999999) | int(base=16)) // 7 }}",
    "the clock's format": "{{ strftime_now('%Y' * 9999999) | length }}",
}


@pytest.mark.parametrize("name", BOMBS)
def test_every_template_ends(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MAX_SECONDS", 0.3)
    started = time.process_time()
    assert len(rendered_or_refused(BOMBS[name])) < 1000
    assert time.process_time() - started < 2


def test_the_time_is_two_seconds() -> None:
    started = time.process_time()
    with pytest.raises(ModelRejected, match="takes more than 2 s, or more memory than a chat"):
        ChatTemplate(BOMBS["long comparisons"], special_tokens={}).render(HELLO)
    assert time.process_time() - started < 3


def test_a_source_may_not_be_huge_or_too_deep() -> None:
    with pytest.raises(ModelRejected, match="has 600,000 characters, 500,000 allowed"):
        ChatTemplate("a" * 600_000, special_tokens={})
    with pytest.raises(ModelRejected, match="nested too deep"):
        ChatTemplate("{% for i in x %}" * 30 + "{% endfor %}" * 30, special_tokens={})
    with pytest.raises(ModelRejected, match="nested too deep"):
        ChatTemplate("{{ " + "(" * 5000 + ")" * 5000 + " }}", special_tokens={})


def test_a_long_conversation_is_within_the_limits() -> None:
    source = (
        "{% for m in messages %}{{ '<' + m.role + '>' + m.content.split('x')[-1].strip() | trim }}"
        "{{ (m.content ~ '\n') | replace('a', 'b') }}{% endfor %}"
    )
    messages = [Message("user", "a" * 10_000), Message("assistant", "b" * 10_000)] * 400
    started = time.process_time()
    text = ChatTemplate(source, special_tokens={}).render(messages)
    assert len(text) > 16_000_000
    assert time.process_time() - started < 1.5


def test_what_templates_use_still_works() -> None:
    source = (
        "{% set ns = namespace(n=0, texts=[]) %}"
        "{% for m in messages %}{% set ns.n = ns.n + loop.index %}"
        "{% set ns.texts = ns.texts + [m['role'] ~ ':' ~ m.content[:2]] %}{% endfor %}"
        "{{ ns.n }} {{ ns.texts | join(', ') }} {{ '%02d' % 7 }} {{ '%s!' | format('a') }} "
        "{{ {'b': 1, 'a': [1.5, none]} | tojson }} {{ 'a\nb' | indent(2) }} {{ 'x' * 3 }} "
        "{{ messages | map(attribute='role') | list | last }} {{ 2 ** 10 }} {{ 7 % 4 }} "
        "{{ messages | selectattr('role', 'equalto', 'user') | list | length }} "
        "{%- macro twice(x) %}{{ x }}{{ x }}{% endmacro %} {{ twice('ab') }} "
        "{{ dict(a=1).items() | list }} {{ cycler('a', 'b').next() }} {{ (1, 2)[1:] }}"
    )
    assert ChatTemplate(source, special_tokens={}).render(HELLO) == (
        '3 user:he, assistant:hi 07 a! {"b": 1, "a": [1.5, null]} a\n  b xxx assistant 1024 3 1 '
        "abab [('a', 1)] a (2,)"
    )


def test_a_refusal_in_a_macro_is_still_about_the_conversation() -> None:
    source = "{% macro no() %}{{ raise_exception('no') }}{% endmacro %}{{ no() }}"
    with pytest.raises(DatasetRejected, match="refuses this conversation: no"):
        ChatTemplate(source, special_tokens={}).render(HELLO)
