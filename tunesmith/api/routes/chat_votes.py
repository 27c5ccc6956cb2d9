"""Blind votes in chats; those on comparisons are with them (`/comparisons`)."""

from fastapi import APIRouter

from tunesmith.api.access import Reader, Runner, ServicesDep
from tunesmith.service import chat_votes
from tunesmith.service.chat_votes import ChatBallot
from tunesmith.service.votes import VoteTotals

router = APIRouter(tags=["chat votes"], prefix="/chat-votes")


@router.post("", status_code=201)
def vote_in_chat(body: ChatBallot, actor: Runner, services: ServicesDep) -> VoteTotals:
    """Keep which answer in a chat was best; the answer tells how the models stand now."""
    return chat_votes.vote_in_chat(services, actor, body)


@router.get("")
def get_chat_votes(actor: Reader, services: ServicesDep) -> VoteTotals:
    """How the models stand after the votes in all chats, the most chosen first."""
    return chat_votes.chat_vote_totals(services, actor.tenant_id)
