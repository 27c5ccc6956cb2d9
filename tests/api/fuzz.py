"""`python -m tests.api.fuzz --requests 10000`: what schemathesis makes of the OpenAPI file.

Requests that fit the file and requests that do not, with every caller's key and without, half of
them naming things that are there. No answer may be a 5xx, break the file's own schema, take more
than five seconds, or say where or on what the server runs.
"""

import argparse
import re
import socket
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any
from urllib.parse import quote

import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.strategies import DrawFn, composite
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.world import MAKERS, World, make_world, scratch_folder

MOST_SECONDS = 5.0
CALLERS = ("none", "viewer", "member", "owner", "other", "admin")
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
_NUM_THINGS = 6  # of each kind that a path can name
_NUM_TRIES = 20  # at each case; Hypothesis alone tries a thousand times what cannot be made
_LIBRARIES = re.compile(
    r"(?i)sqlalchemy|psycopg|starlette|uvicorn|site-packages|Traceback|pydantic[-_. ]|/python3"
)


@dataclass
class Figures:
    """What was seen."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    problems: dict[str, str] = field(default_factory=dict)  # the first of each kind

    @property
    def num_requests(self) -> int:
        return self.statuses.total()

    def note(self, problem: str, request: str) -> None:
        self.problems.setdefault(problem, request)


def fuzz(world: World, *, num_requests: int, number: int, only: str = "") -> Figures:
    """Ask `num_requests` times, by the random numbers of `number`, for paths that hold `only`."""
    figures, random = Figures(), Random(number)
    schema = schemathesis.openapi.from_asgi(
        "/api/v1/openapi.json", world.client.app, headers={"host": "localhost"}
    )
    found = [each.ok() for each in schema.get_all_operations() if only in each.ok().path]
    things = {name: [world.make(name) for _ in range(_NUM_THINGS)] for name in MAKERS}
    each = -(-num_requests // (len(found) * 2))
    while figures.num_requests < num_requests:  # operations without input have few cases
        number += 1
        for operation in found:
            for mode in GenerationMode:
                for case in _cases(operation, mode, most=each, number=number):
                    _ask(world, case, things, figures, random)
    return figures


def _cases(operation: Any, mode: GenerationMode, *, most: int, number: int) -> Iterator[Any]:
    cases: list[Any] = []
    tries = count(1)

    @composite
    def few(draw: DrawFn) -> Any:
        if next(tries) > most * _NUM_TRIES:
            raise _Enough
        return draw(operation.as_strategy(generation_mode=mode))

    @seed(number)
    @settings(
        max_examples=most,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(few())
    def collect(case: Any) -> None:
        cases.append(case)

    with suppress(Exception):  # an operation that takes no input cannot be asked wrongly
        collect()
    return iter(cases)


class _Enough(Exception):
    """No further case is looked for."""


def _ask(
    world: World, case: Any, things: dict[str, list[str]], figures: Figures, random: Random
) -> None:
    for name in case.path_parameters or {}:
        if name in things and random.random() < 0.5:
            case.path_parameters[name] = quote(random.choice(things[name]), safe="")
    caller = random.choice(CALLERS)
    # Logging out and changing passwords ends a key; what is asked is asked with its twin.
    who = world.twin(caller) if "sessions/current" in case.path else caller
    headers = {"host": "localhost"}
    if who != "none":
        headers["authorization"] = f"Bearer {world.keys[who]}"
    request = f"{case.method} {case.formatted_path!r} as {caller}: {case.body!r:.300}"
    began = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            response = case.call(headers=headers)
    except Exception as error:  # what a server would answer with 500 comes out here
        figures.statuses[500] += 1
        figures.note(f"{case.method} {case.path} 500: {error!r:.200}", request)
        return
    seconds = time.monotonic() - began
    figures.statuses[response.status_code] += 1
    figures.slowest = max(figures.slowest, seconds)
    if seconds > MOST_SECONDS:
        figures.note(f"{case.path} took {seconds:.1f} s", request)
    leak = _leak(world, response.text)
    if leak:
        figures.note(f"{case.method} {case.path} says {leak}", request)
    if who == "none":  # schemathesis would call again without the header that is not there
        case.headers = {}
    try:
        case.validate_response(response, checks=_CHECKS)
    except BaseExceptionGroup as group:
        for error in group.exceptions:
            kind = f"{case.method} {case.path} {response.status_code}: {type(error).__name__}"
            figures.note(kind, f"{request}\n    {str(error)[:300]}\n    {response.text[:300]}")
    except AssertionError as error:
        kind = f"{case.method} {case.path} {response.status_code}: {type(error).__name__}"
        figures.note(kind, f"{request}\n    {str(error)[:300]}\n    {response.text[:300]}")


def _leak(world: World, text: str) -> str:
    for secret in (str(world.services.installation.folder), socket.gethostname()):
        if len(secret) > 3 and secret in text:
            return f"{secret!r}"
    found = _LIBRARIES.search(text)
    return f"{found[0]!r}" if found else ""


def report(figures: Figures) -> None:
    for problem, request in figures.problems.items():
        print(f"{problem}\n    {request}")
    shown = ", ".join(f"{status}: {count}" for status, count in sorted(figures.statuses.items()))
    print(f"answers by status: {shown}")
    print(
        f"{figures.num_requests} requests, slowest {figures.slowest:.2f} s, "
        f"{len(figures.problems)} kinds of problems"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with scratch_folder() as folder:
        world = make_world(folder)
        figures = fuzz(world, num_requests=arguments.requests, number=arguments.seed)
    report(figures)
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
