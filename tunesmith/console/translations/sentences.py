"""The sentences that other packages say to people, as templates, read from their code.

Those packages know of no languages: they raise errors, give reasons and warn in English. What
they can say is every string with words in the body of a function, but for what a person never
sees: docstrings, logs, headers, and the strings of silent calls and modules. An f-string becomes
a template, its expressions numbered: `there is no dataset {0}`, `job {0} is {1:word}`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_TUNESMITH = Path(__file__).parents[2]
_SPEAKING = (
    *("api", "backends", "console/routes", "data", "evaluation", "jobs", "modeling", "serving"),
    *("service", "store", "text", "training"),
    *("artifacts.py", "explain.py", "schema.py", "stopping.py"),
)
# What these say is read elsewhere: by OpenAI's clients, in a terminal, in a letter, by programs.
_SILENT_MODULES = (
    *("api/app.py", "api/metrics.py", "api/openai", "api/openapi.py", "api/routes"),
    *("api/server.py", "console/routes/assets.py", "data/lineage.py", "data/quality.py"),
    *("evaluation/pages", "jobs/run.py", "jobs/serve.py", "service/config.py"),
    *("service/local_comparisons.py", "service/local_results.py"),
    *("service/local_transcripts.py", "service/notices.py", "service/outbox.py"),
    *("service/training_history.py", "serving/app.py", "store/migrations", "text/places.py"),
    *("text/sandbox.py", "training/trackers/sinks.py"),
)
_SILENT_CALLS = re.compile(
    r"_|_log\.\w+|cast|getattr|mark|re\.\w+|text|AssertionError|RuntimeError|TypeError"
    r"|.*\.(encode|partition|removeprefix|replace|split|startswith|write)"
)
# Names of expressions that are words of ours.
_WORDS = ("becomes", "kind", "state", "status", "what")
_LETTERS = re.compile("[a-z]{2}")
# How pydantic refuses what a form sends, and the value of a setting.
_REFUSALS = ("Extra inputs are not permitted", "Field required")
_REFUSED_VALUES = (
    "Input should be a finite number",
    "Input should be a valid boolean",
    "Input should be a valid boolean, unable to interpret input",
    "Input should be a valid integer",
    "Input should be a valid integer, got a number with a fractional part",
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid list",
    "Input should be a valid number",
    "Input should be a valid number, unable to parse string as a number",
    "Input should be a valid string",
    "Input should be greater than {0}",
    "Input should be greater than or equal to {0}",
    "Input should be less than {0}",
    "Input should be less than or equal to {0}",
    "Input should be {0}",
    "String should have at least {0} character",
    "String should have at least {0} characters",
    "String should have at most {0} character",
    "String should have at most {0} characters",
    "String should match pattern '{0}'",
)


def sentences() -> set[str]:
    """Every template of a sentence that a page may show."""
    found = {*_REFUSALS, *_REFUSED_VALUES, *map(_explained, _REFUSED_VALUES)}
    for path in _modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.update(template for node in _functions(tree) for template in _said_in(node))
    return found


def _modules() -> Iterator[Path]:
    for package in _SPEAKING:
        place = _TUNESMITH / package
        for path in [place] if place.suffix else place.rglob("*.py"):
            if not path.relative_to(_TUNESMITH).as_posix().startswith(_SILENT_MODULES):
                yield path


def _functions(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from node.body


def _said_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.JoinedStr(values):
            yield from _worded(template_of(node))
            children: list[ast.AST] = [
                part.value for part in values if isinstance(part, ast.FormattedValue)
            ]
        case ast.Constant(str()):
            yield from _worded(template_of(node))
            return
        case ast.Expr(ast.Constant()):  # a docstring
            return
        case ast.Call(called) if _SILENT_CALLS.fullmatch(ast.unparse(called)):
            return
        case ast.Compare() | ast.Assert() | ast.Subscript() | ast.keyword(arg="headers"):
            return
        case ast.AnnAssign(value=value):
            children = [value] if value else []
        case _:
            children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from _said_in(child)


def template_of(text: ast.JoinedStr | ast.Constant) -> str:
    """A string with its expressions numbered; those with nothing between them are one."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    # Literal texts and gaps in turn: `job `, {job.id}, ` is `, {job.status}, ``.
    pieces = [""]
    for part in parts:
        if isinstance(part, ast.Constant):
            pieces[-1] += str(part.value).replace("{", "{{").replace("}", "}}")
        elif isinstance(part, ast.FormattedValue) and (pieces[-1] or len(pieces) == 1):
            pieces += [_kind_of_gap(part), ""]
    # What begins or ends in the middle of a sentence stands for every sentence it is part of.
    if pieces[0].startswith((" ", ",", ";")):
        pieces[:0] = ["", ""]
    if pieces[-1].endswith(" "):
        pieces += ["", ""]
    gaps = [f"{{{number}{kind}}}" for number, kind in enumerate(pieces[1::2])]
    return "".join(part for pair in zip(pieces[::2], [*gaps, ""], strict=True) for part in pair)


def _kind_of_gap(gap: ast.FormattedValue) -> str:
    """`:word` where a word of ours stands, by what is there: `job.status`, `count or 'any'`."""
    name = ast.unparse(gap.value).rpartition(".")[2]
    return ":word" if name in _WORDS or name.endswith("'") else ""


def _worded(template: str) -> Iterator[str]:
    literal = re.sub(r"\{\d+(:word)?\}", "", template)
    if " " in literal and _LETTERS.search(literal) and not template.endswith("\n"):
        yield template


def _explained(message: str) -> str:
    """As `tunesmith.explain` puts it behind the name of a setting."""
    message = message.replace("Input should be", "must be")
    return message[0].lower() + message[1:].split(", unable to", maxsplit=1)[0]
