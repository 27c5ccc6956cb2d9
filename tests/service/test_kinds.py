"""A kind of job is written in a few places; what is missing in one of them is said here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from tunesmith.console.language import LANGUAGES, catalog
from tunesmith.console.words import WORDS
from tunesmith.jobs.spec import JobSpec
from tunesmith.jobs.stages import STAGES
from tunesmith.service.job_requests import JobRequest
from tunesmith.service.kinds import KINDS
from tunesmith.service.kinds.kind import JobKind


def test_every_kind_of_job_is_in_all_its_places() -> None:
    assert _missing(KINDS) == []


def test_what_a_kind_lacks_is_said() -> None:
    half_made = replace(KINDS["pull"], stage="export", called={"en": "export"})
    others = {name: kind for name, kind in KINDS.items() if name != "mix"}
    assert _missing({**others, "export": half_made}) == [
        "'mix' lacks a line in KINDS, service/kinds",
        "'export' lacks a request in JobRequest, service/job_requests.py",
        "'export' lacks a spec in JobSpec, jobs/spec.py",
        "'export' lacks a function in STAGES, jobs/stages.py",
        "'export' lacks a word in WORDS, console/words.py",
        "'export' lacks a word in zh, console/translations/zh.po",
        "'export' lacks a name in zh, its `called` in service/kinds",
    ]


def _missing(kinds: Mapping[str, JobKind[Any]]) -> list[str]:
    requests, specs = _kinds_of(JobRequest), _kinds_of(JobSpec)
    stages = {kind.stage for kind in kinds.values()}
    # For each place: who is to be there, and who is.
    places = {
        "a line in KINDS, service/kinds": (requests | stages | specs | set(STAGES), set(kinds)),
        "a request in JobRequest, service/job_requests.py": (set(kinds), requests),
        "a spec in JobSpec, jobs/spec.py": (stages, specs),
        "a function in STAGES, jobs/stages.py": (stages, set(STAGES)),
        "a word in WORDS, console/words.py": (stages, set(WORDS)),
        "a word in zh, console/translations/zh.po": (stages, _translated(stages)),
    }
    for language in LANGUAGES:
        named = {name for name, kind in kinds.items() if kind.called.get(language)}
        places[f"a name in {language}, its `called` in service/kinds"] = (set(kinds), named)
    return [
        f"{name!r} lacks {what}"
        for what, (wanted, there) in places.items()
        for name in sorted(wanted - there)
    ]


def _kinds_of(union: Any) -> set[str]:
    """The kinds of a tagged union."""
    return {each.model_fields["kind"].default for each in get_args(get_args(union)[0])}


def _translated(stages: set[str]) -> set[str]:
    chinese = catalog("zh")
    return {each for each in stages & set(WORDS) if chinese.gettext(WORDS[each]) != WORDS[each]}
