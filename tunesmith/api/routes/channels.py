"""Channels: where messages about jobs go."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, SecretStr

from tunesmith.api.access import Manager, Reader, ServicesDep
from tunesmith.api.paging import After, Limit, Page
from tunesmith.schema import Strict
from tunesmith.service import channels
from tunesmith.service.channels import ChannelView, DeliveryView, Trial

router = APIRouter(tags=["channels"], prefix="/channels")


class ChannelRequest(Strict):
    """A channel to make. Its address holds secrets and is never shown again."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    url: Annotated[
        SecretStr,
        Field(
            description="such as jsons://HOST/PATH or mailtos://USER:PASSWORD@HOST?to=NAME@HOST",
            min_length=1,
            max_length=2000,
        ),
    ]


class ChannelChange(Strict):
    """What to change of a channel."""

    hears_all: bool


@router.post("", status_code=201)
def add_channel(body: ChannelRequest, actor: Manager, services: ServicesDep) -> ChannelView:
    """Keep a channel; name its id in a job's `notify` to hear of the job there."""
    url = body.url.get_secret_value()
    return channels.add_channel(services, actor.tenant_id, name=body.name, url=url)


@router.get("")
def list_channels(actor: Reader, services: ServicesDep) -> Page[ChannelView]:
    """The tenant's channels, without their addresses."""
    return Page(data=channels.list_channels(services, actor.tenant_id))


@router.patch("/{channel_id}")
def change_channel(
    channel_id: str, body: ChannelChange, actor: Manager, services: ServicesDep
) -> ChannelView:
    """Let a channel hear of every training and deployment from now on, or of what names it."""
    return channels.change_channel(services, actor.tenant_id, channel_id, hears_all=body.hears_all)


@router.post("/{channel_id}/test")
def try_channel(channel_id: str, actor: Manager, services: ServicesDep) -> Trial:
    """Send a trial message now, and say whether it arrived."""
    return channels.try_channel(services, actor, channel_id)


@router.get("/{channel_id}/deliveries")
def list_deliveries(
    channel_id: str, actor: Reader, services: ServicesDep, after: After = None, limit: Limit = 20
) -> Page[DeliveryView]:
    """What became of the channel's messages, newest first."""
    data, has_more = channels.list_deliveries(
        services, actor.tenant_id, channel_id, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.delete("/{channel_id}", status_code=204)
def delete_channel(channel_id: str, actor: Manager, services: ServicesDep) -> None:
    """Delete a channel with what waits for it."""
    channels.delete_channel(services, actor.tenant_id, channel_id)
