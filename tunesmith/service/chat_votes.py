"""Blind votes in chats: which of several models answered best, kept beside those on comparisons."""

from string import ascii_uppercase

from sqlalchemy import select

from tunesmith.errors import Conflict
from tunesmith.schema import Strict, setting
from tunesmith.service.access import Actor
from tunesmith.service.deployments import resolve
from tunesmith.service.job_requests import Text
from tunesmith.service.services import Services
from tunesmith.service.votes import VoteTotals, count_votes, meaning_of
from tunesmith.store.tables import ChatVote, Model, new_id

_MOST_MODELS = 20  # as in a comparison


class ChatBallot(Strict):
    """Which answer was best in a chat."""

    models: list[Text] = setting(
        ..., "who answered, in the order of their letters", min_length=2, max_length=_MOST_MODELS
    )
    choice: str = setting(
        ..., "the letter of the best answer; tie or none if there is no best", max_length=4
    )


def vote_in_chat(services: Services, actor: Actor, ballot: ChatBallot) -> VoteTotals:
    """Keep the actor's vote; what all come to with it.

    An alias stands for the model that it points to now.

    Raises:
        NotFound: the tenant has no such model, or there is no such letter.
        Conflict: two of the models are the same one.
    """
    models = [resolve(services, actor.tenant_id, each)[0] for each in ballot.models]
    if len(set(models)) < len(models):
        raise Conflict(
            f"{', '.join(ballot.models)}: these are not all different models",
            hint="a vote is between different models",
        )
    order = dict(zip(ascii_uppercase, range(len(models)), strict=False))
    verdict, contestant = meaning_of(ballot.choice, order)
    cast = ChatVote(
        id=new_id("vote"),
        tenant_id=actor.tenant_id,
        person_id=actor.person_id,
        models=models,
        verdict=verdict,
        contestant=contestant,
        voted_at=services.clock(),
    )
    with services.database.transaction() as db:
        db.add(cast)
    return chat_vote_totals(services, actor.tenant_id)


def chat_vote_totals(services: Services, tenant_id: str) -> VoteTotals:
    """How models stand after the votes in all of the tenant's chats, the most chosen first.

    A model that was deleted since is there by its id.
    """
    mine = select(ChatVote).where(ChatVote.tenant_id == tenant_id)
    with services.database.reading() as db:
        votes = db.scalars(mine).all()
        asked = {model for vote in votes for model in vote.models}
        registered = db.scalars(
            select(Model).where(Model.tenant_id == tenant_id, Model.id.in_(asked))
        ).all()
    names = {each.id: f"{each.name}@{each.version}" for each in registered}
    by_name = [(vote, [names.get(model, model) for model in vote.models]) for vote in votes]
    totals = count_votes(by_name, models=sorted(names.get(model, model) for model in asked))
    totals.standings.sort(key=lambda each: each.num_best, reverse=True)
    return totals
