"""`tunesmith channels`: where a server tells people of runs."""

import sys
from typing import Annotated

import typer

app = typer.Typer(
    help="Where messages about runs go: list, add, test, delete.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Channel = Annotated[str, typer.Argument(help="A channel's name or id.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the tenant's channels, without their addresses."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.service.channels import ChannelView

    channels = list(connect().server.list(ChannelView, "/channels"))
    if as_json:
        show.print_json(channels)
        return
    show.table(
        ["name", "kind", "id"],
        [(each.name, each.kind, each.id) for each in channels],
        nothing="no channels yet; make one: tunesmith channels add NAME",
    )


@app.command()
def add(name: Annotated[str, typer.Argument(help="What to call it.")]) -> None:
    """Make a channel. Its address is asked for, or read from a pipe, so that no list shows it."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.errors import RecipeInvalid

    asked = sys.stdin.isatty()
    url = typer.prompt("address", hide_input=True) if asked else sys.stdin.readline().strip()
    if not url:
        raise RecipeInvalid("a channel needs an address", hint="see docs/notifications.md")
    made = connect().server.call("POST", "/channels", json={"name": name, "url": url})
    show.say(f"channel {name} ({made['kind']}); try it: tunesmith channels test {name}")


@app.command()
def test(channel: Channel) -> None:
    """Send a trial message now."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.errors import DeliveryFailed

    workspace = connect()
    tried = workspace.server.call("POST", f"/channels/{workspace.find_channel(channel)}/test")
    if not tried["delivered"]:
        raise DeliveryFailed(f"channel {channel}: {tried['error']}", hint="check its address")
    show.say(f"a trial message has reached {channel}")


@app.command()
def delete(channel: Channel) -> None:
    """Delete a channel with what waits for it."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    workspace = connect()
    workspace.server.call("DELETE", f"/channels/{workspace.find_channel(channel)}")
    show.say(f"channel {channel} is deleted")
