"""A server's characters and prompts by the names that people give."""

from urllib.parse import quote

from tunesmith.cli.remote.server import Server, rebuilt
from tunesmith.errors import NotFound
from tunesmith.service.library import Edition
from tunesmith.service.shelves import Content, Shelf


def list_editions(server: Server, shelf: Shelf[Content]) -> list[Edition[Content]]:
    """The newest version of each entry, by name."""
    found = server.call("GET", f"/{shelf.plural}")["data"]
    return rebuilt(list[Edition[shelf.content]], found)


def find_entry(server: Server, shelf: Shelf[Content], name: str) -> Edition[Content]:
    """The newest version of the entry `name`.

    Raises:
        NotFound: there is none.
    """
    editions = list_editions(server, shelf)
    found = next((each for each in editions if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in editions) or "none yet"
        raise NotFound(f"there is no {shelf.kind} {name!r}", hint=f"there are: {known}")
    return found


def edition_of(server: Server, shelf: Shelf[Content], reference: str) -> Content:
    """What NAME or NAME@VERSION holds.

    Raises:
        NotFound: there is no such entry or version.
    """
    name, has_version, version = reference.partition("@")
    entry = find_entry(server, shelf, name)
    if not has_version:
        return entry.content
    if not version.isdigit():
        raise NotFound(f"there is no {shelf.kind} {reference!r}", hint="NAME or NAME@VERSION")
    path = f"/{shelf.plural}/{quote(entry.id)}"
    found = server.call("GET", path, params={"version": int(version)})
    return rebuilt(Edition[shelf.content], found).content


def keep_edition(
    server: Server, shelf: Shelf[Content], name: str, content: Content
) -> Edition[Content]:
    """Make `content` the newest version of the entry `name`, which is made if it is new."""
    known = {each.name: each for each in list_editions(server, shelf)}
    body = {"content": content.model_dump(mode="json")}
    if name in known:
        path = f"/{shelf.plural}/{quote(known[name].id)}"
        kept = server.call("PUT", path, json={**body, "edited_version": known[name].version})
    else:
        kept = server.call("POST", f"/{shelf.plural}", json={**body, "name": name})
    return rebuilt(Edition[shelf.content], kept)
