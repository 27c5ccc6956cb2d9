"""Blind votes: which answer is best, asked before anybody is told whose it is."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from string import ascii_uppercase
from typing import Any, Literal, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.errors import NotFound
from tunesmith.evaluation.summary import read_summary
from tunesmith.service.access import Actor
from tunesmith.service.comparisons import KIND, list_exchanges
from tunesmith.service.results import finished_folder
from tunesmith.service.services import Services
from tunesmith.store.tables import ChatVote, Person, Verdict, Vote

Choice: TypeAlias = Literal["tie", "none"] | str
"""A letter, or why no answer is best."""


@dataclass(frozen=True)
class CastVote:
    """What one chose, and with that whose answers the letters stand for."""

    number: int
    choice: str
    names: dict[str, str]


@dataclass(frozen=True)
class BlindExchange:
    """A prompt with answers under letters; `vote` is one's own, if one has voted."""

    number: int
    messages: Sequence[Mapping[str, Any]]
    reference: str | None
    answers: dict[str, str]
    vote: CastVote | None


@dataclass(frozen=True)
class Standing:
    """How a model stands among those who voted.

    Attributes:
        model: its label.
        num_best: votes that found its answer best.
        win_rate: their share of the votes on its answers that found one best; None while there are
            none.
        low: where the share is with 95 % confidence, at least.
        high: and at most.
    """

    model: str
    num_best: int
    win_rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class VoteTotals:
    """All votes on a comparison, or in chats.

    `num_ties` found the best ones equal, `num_none` none good.
    """

    num_votes: int
    num_voters: int
    num_ties: int
    num_none: int
    standings: list[Standing]


def blind_exchanges(
    services: Services, actor: Actor, comparison_id: str, *, after: int, limit: int
) -> tuple[list[BlindExchange], bool]:
    """A page of prompts with their answers under letters, and whether there are more.

    Raises:
        NotFound: the tenant has no such comparison.
        Conflict: it has not succeeded.
    """
    exchanges, has_more = list_exchanges(
        services, actor.tenant_id, comparison_id, after=after, limit=limit
    )
    with services.database.reading() as db:
        labels = _labels(services, db, actor.tenant_id, comparison_id)
        mine = select(Vote).where(Vote.job_id == comparison_id, Vote.person_id == actor.person_id)
        votes = {vote.prompt: vote for vote in db.scalars(mine)}
    page: list[BlindExchange] = []
    for exchange in exchanges:
        order = _order(comparison_id, exchange.number, actor.person_id, len(labels))
        texts = {letter: exchange.answers[index].text for letter, index in order.items()}
        vote = votes.get(exchange.number)
        cast = None if vote is None else _cast(vote, order, labels)
        page.append(
            BlindExchange(exchange.number, exchange.messages, exchange.reference, texts, cast)
        )
    return page, has_more


def vote(
    services: Services, actor: Actor, comparison_id: str, number: int, choice: Choice
) -> CastVote:
    """Keep the actor's vote on a prompt, instead of an earlier one; tell whose answers they were.

    Raises:
        NotFound: the tenant has no such comparison, it no such prompt, or that no such letter.
        Conflict: the comparison has not succeeded.
    """
    with services.database.transaction() as db:
        folder = finished_folder(services, db, actor.tenant_id, comparison_id, kind=KIND)
        summary = read_summary(folder)
        if not 1 <= number <= summary.num_prompts:
            raise NotFound(f"there is no prompt {number}", hint=f"1 to {summary.num_prompts}")
        labels = [each.label for each in summary.contestants]
        order = _order(comparison_id, number, actor.person_id, len(labels))
        verdict, contestant = meaning_of(choice, order)
        # Held, so that two votes of a person at the same time take turns.
        db.get_one(Person, actor.person_id, with_for_update=True)
        kept = db.get(Vote, (comparison_id, number, actor.person_id))
        if kept is None:
            kept = Vote(job_id=comparison_id, prompt=number, person_id=actor.person_id)
            db.add(kept)
        kept.verdict, kept.contestant, kept.voted_at = verdict, contestant, services.clock()
        return _cast(kept, order, labels)


def vote_totals(services: Services, tenant_id: str, comparison_id: str) -> VoteTotals:
    """What all votes on a comparison come to.

    Raises:
        NotFound: the tenant has no such comparison.
        Conflict: it has not succeeded.
    """
    with services.database.reading() as db:
        labels = _labels(services, db, tenant_id, comparison_id)
        votes = db.scalars(select(Vote).where(Vote.job_id == comparison_id)).all()
    return count_votes([(vote, labels) for vote in votes], models=labels)


def count_votes(
    votes: Sequence[tuple[Vote | ChatVote, Sequence[str]]], *, models: Sequence[str]
) -> VoteTotals:
    """How `models` stand after votes, each given with those whose answers it was about."""
    verdicts = Counter(vote.verdict for vote, _ in votes)
    decided = [(vote.contestant, asked) for vote, asked in votes if vote.contestant is not None]
    best = Counter(asked[contestant] for contestant, asked in decided)
    took_part = Counter(model for _, asked in decided for model in asked)
    return VoteTotals(
        num_votes=len(votes),
        num_voters=len({vote.person_id for vote, _ in votes}),
        num_ties=verdicts["tie"],
        num_none=verdicts["none"],
        standings=[
            Standing(model, best[model], *_rate(best[model], took_part[model])) for model in models
        ],
    )


def _rate(num_best: int, num_decided: int) -> tuple[float | None, float | None, float | None]:
    if num_decided == 0:
        return None, None, None
    return (num_best / num_decided, *wilson_interval(num_best, num_decided))


def wilson_interval(num_hits: int, num_trials: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Where a share lies with 95 % confidence (Wilson, JASA 22, 1927), which holds for few trials.

    With p = hits / trials and n trials: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n).
    """
    share, square = num_hits / num_trials, z * z / num_trials
    spread = z * math.sqrt(share * (1 - share) / num_trials + square / (4 * num_trials))
    middle, whole = share + square / 2, 1 + square
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)


# --- letters ---------------------------------------------------------------------------------


def _order(comparison_id: str, number: int, person_id: str, num_contestants: int) -> dict[str, int]:
    """Which contestant each letter stands for: the same at every look, another for every prompt."""
    seed = sha256(f"{comparison_id} {number} {person_id}".encode()).digest()
    places = list(range(num_contestants))
    Random(seed).shuffle(places)
    return dict(zip(ascii_uppercase, places, strict=False))


def meaning_of(choice: Choice, order: Mapping[str, int]) -> tuple[Verdict, int | None]:
    """The verdict, and whose answer is best, where `order` says whose each letter is.

    Raises:
        NotFound: there is no such letter.
    """
    if choice == "tie" or choice == "none":
        return choice, None
    if choice not in order:
        raise NotFound(
            f"there is no answer {choice!r}", hint=f"vote {', '.join(order)}, tie or none"
        )
    return "best", order[choice]


def _cast(vote: Vote, order: Mapping[str, int], labels: Sequence[str]) -> CastVote:
    letters = {index: letter for letter, index in order.items()}
    choice = vote.verdict if vote.contestant is None else letters[vote.contestant]
    names = {letter: labels[index] for letter, index in order.items()}
    return CastVote(vote.prompt, choice, names)


def _labels(services: Services, db: Session, tenant_id: str, comparison_id: str) -> list[str]:
    summary = read_summary(finished_folder(services, db, tenant_id, comparison_id, kind=KIND))
    return [each.label for each in summary.contestants]
