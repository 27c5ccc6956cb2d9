"""Characters to chat with and prompts to ask with; every edit is a version."""

from typing import Annotated, Any, Generic

from fastapi import APIRouter, Path, Query
from pydantic import PositiveInt, create_model

from tunesmith.api.access import ModelEditor, Reader, ServicesDep
from tunesmith.api.bodies import body_of
from tunesmith.api.paging import Page
from tunesmith.schema import Name, Strict, setting
from tunesmith.service import library
from tunesmith.service.library import Edition
from tunesmith.service.shelves import SHELVES, Content, Shelf

Version = Annotated[
    int | None, Query(description="which version; the newest if left out", ge=1, le=2**31 - 1)
]


class NewEntry(Strict, Generic[Content]):
    """An entry to keep."""

    name: Name = setting(..., "what to call it")
    content: Content


class EntryEdit(Strict, Generic[Content]):
    """What an entry is from now on."""

    name: Name | None = setting(None, "another name, for all versions")
    content: Content
    edited_version: PositiveInt | None = setting(
        None, "the version that was edited: refused if there is a newer one"
    )


def _routes(shelf: Shelf[Any]) -> APIRouter:
    """What can be done with entries of a kind."""
    kind, called = shelf.kind, shelf.kind.capitalize()
    edition = Edition[shelf.content]
    new = create_model(
        f"New{called}", __base__=NewEntry[shelf.content], __doc__=f"A {kind} to keep."
    )
    edit = create_model(
        f"{called}Edit",
        __base__=EntryEdit[shelf.content],
        __doc__=f"What a {kind} is from now on.",
    )
    its_id = Path(alias=f"{kind}_id")
    router = APIRouter(prefix=f"/{shelf.plural}", tags=[shelf.plural])

    @router.post("", status_code=201, name=f"add_{kind}", response_model=edition)
    def add(
        body: Annotated[NewEntry[Any], body_of(new)], actor: ModelEditor, services: ServicesDep
    ) -> Edition[Any]:
        """Keep one: its first version."""
        return library.add_entry(services, shelf, actor, name=body.name, content=body.content)

    @router.get("", name=f"list_{shelf.plural}", response_model=Page[edition])
    def list_(actor: Reader, services: ServicesDep) -> Page[Edition[Any]]:
        """The newest version of each, by name."""
        return Page(data=library.list_editions(services, shelf, actor.tenant_id))

    one = f"/{{{kind}_id}}"

    @router.get(one, name=f"get_{kind}", response_model=edition)
    def get(
        entry_id: Annotated[str, its_id],
        actor: Reader,
        services: ServicesDep,
        version: Version = None,
    ) -> Edition[Any]:
        """A version of one."""
        return library.get_edition(services, shelf, actor.tenant_id, entry_id, version=version)

    @router.get(f"{one}/versions", name=f"list_{kind}_versions", response_model=Page[edition])
    def list_versions(
        entry_id: Annotated[str, its_id], actor: Reader, services: ServicesDep
    ) -> Page[Edition[Any]]:
        """Every version of one, newest first."""
        return Page(data=library.list_versions(services, shelf, actor.tenant_id, entry_id))

    @router.put(one, name=f"edit_{kind}", response_model=edition)
    def edit_(
        entry_id: Annotated[str, its_id],
        body: Annotated[EntryEdit[Any], body_of(edit)],
        actor: ModelEditor,
        services: ServicesDep,
    ) -> Edition[Any]:
        """Make a new version of one; the same content makes none."""
        return library.edit_entry(
            services,
            shelf,
            actor,
            entry_id,
            content=body.content,
            name=body.name,
            edited_version=body.edited_version,
        )

    @router.delete(one, status_code=204, name=f"delete_{kind}")
    def delete(entry_id: Annotated[str, its_id], actor: ModelEditor, services: ServicesDep) -> None:
        """Delete one with all its versions."""
        library.delete_entry(services, shelf, actor.tenant_id, entry_id)

    return router


router = APIRouter()
for _shelf in SHELVES:
    router.include_router(_routes(_shelf))
