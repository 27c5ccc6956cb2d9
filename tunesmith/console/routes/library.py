"""Characters to chat with and prompts to ask with; every edit is a version."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from tunesmith.api.access import ModelEditor, Reader, ServicesDep
from tunesmith.api.bodies import form_of
from tunesmith.console.choices import list_choices
from tunesmith.console.lists import WantedPart
from tunesmith.console.pages import go, page_router, render
from tunesmith.schema import Strict, validate
from tunesmith.service import library
from tunesmith.service.shelves import SHELVES, Character, PromptTemplate, Shelf

Version: TypeAlias = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


# --- what is filled in -----------------------------------------------------------------------


class EntryForm(BaseModel):
    """An entry as its form sends it; what is empty is left out."""

    name: str = ""
    edited_version: int | None = None

    @abstractmethod
    def content(self) -> Strict:
        """What is kept.

        Raises:
            RecipeInvalid: a value is out of its bounds.
        """


class CharacterForm(EntryForm):
    """A character as its form sends it."""

    greeting: str = ""
    persona: str = ""
    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None

    def content(self) -> Character:
        """What is kept."""
        values = self.model_dump(include={"greeting", "persona", "model"})
        sampling = self.model_dump(include={"temperature", "top_p", "max_tokens"})
        return validate(Character, {**values, "sampling": sampling}, source=self.name)


class PromptForm(EntryForm):
    """A prompt as its form sends it."""

    template: str = ""
    sets_system: bool = False
    system_prompt: str = ""

    def content(self) -> PromptTemplate:
        """What is kept."""
        system = self.system_prompt if self.sets_system else None
        values = {"template": self.template, "system_prompt": system}
        return validate(PromptTemplate, values, source=self.name)


_FORMS: Mapping[str, type[EntryForm]] = {"character": CharacterForm, "prompt": PromptForm}


# --- pages -----------------------------------------------------------------------------------


def _add_pages(router: APIRouter, shelf: Shelf[Any]) -> None:
    """The pages of a kind, on templates of its name."""
    kind, form_sent = shelf.kind, form_of(_FORMS[shelf.kind])
    address, its_id = f"/chat/{shelf.plural}", Path(alias=f"{kind}_id")
    one = f"{address}/{{{kind}_id}}"

    @router.get(address)
    def list_page(
        request: Request, actor: Reader, services: ServicesDep, wanted: WantedPart
    ) -> HTMLResponse:
        """All of them."""
        every = library.list_editions(services, shelf, actor.tenant_id)
        editions = wanted.of(every, name=lambda each: each.name)
        return render(request, f"{shelf.plural}.html", actor=actor, editions=editions)

    @router.get(f"{address}/new")
    def new_page(request: Request, actor: ModelEditor, services: ServicesDep) -> HTMLResponse:
        """The form for a new one."""
        return render(
            request,
            f"{kind}.html",
            actor=actor,
            edition=None,
            versions=[],
            content=shelf.content(),
            choices=list_choices(services, actor.tenant_id),
        )

    @router.get(one)
    def entry_page(
        request: Request,
        entry_id: Annotated[str, its_id],
        actor: Reader,
        services: ServicesDep,
        version: Version = None,
    ) -> HTMLResponse:
        """A version of one, to read and to edit."""
        edition = library.get_edition(services, shelf, actor.tenant_id, entry_id, version=version)
        return render(
            request,
            f"{kind}.html",
            actor=actor,
            edition=edition,
            versions=library.list_versions(services, shelf, actor.tenant_id, entry_id),
            content=edition.content,
            choices=list_choices(services, actor.tenant_id),
        )

    @router.post(address, name=f"add_{kind}")
    def add(
        request: Request,
        actor: ModelEditor,
        services: ServicesDep,
        form: Annotated[EntryForm, form_sent],
    ) -> Response:
        """Keep one."""
        library.add_entry(services, shelf, actor, name=form.name, content=form.content())
        return go(request, address)

    @router.post(one, name=f"edit_{kind}")
    def edit(
        request: Request,
        entry_id: Annotated[str, its_id],
        actor: ModelEditor,
        services: ServicesDep,
        form: Annotated[EntryForm, form_sent],
    ) -> Response:
        """Make a new version of one."""
        library.edit_entry(
            services,
            shelf,
            actor,
            entry_id,
            name=form.name,
            content=form.content(),
            edited_version=form.edited_version,
        )
        return go(request, address)

    @router.delete(one, name=f"delete_{kind}")
    def delete(
        request: Request,
        entry_id: Annotated[str, its_id],
        actor: ModelEditor,
        services: ServicesDep,
    ) -> Response:
        """Delete one with all versions."""
        library.delete_entry(services, shelf, actor.tenant_id, entry_id)
        return go(request, address)


router = page_router()
for _shelf in SHELVES:
    _add_pages(router, _shelf)
