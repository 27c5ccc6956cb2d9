"""Characters to chat with and prompts to ask with; every edit is a version."""

from typing import Annotated, TypeAlias

from fastapi import Form, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from tunesmith.api.access import ModelEditor, Reader, ServicesDep
from tunesmith.console.choices import list_choices
from tunesmith.console.lists import WantedPart
from tunesmith.console.pages import go, page_router, render
from tunesmith.schema import validate
from tunesmith.service import library
from tunesmith.service.access import Actor
from tunesmith.service.library import CHARACTERS, PROMPTS, Character, Edition, PromptTemplate
from tunesmith.service.services import Services

router = page_router()

Version: TypeAlias = Annotated[int | None, Query(ge=1, le=2**31 - 1)]

_CHARACTER_PAGES = "/chat/characters"
_PROMPT_PAGES = "/chat/prompts"


# --- characters ------------------------------------------------------------------------------


@router.get(_CHARACTER_PAGES)
def characters_page(
    request: Request, actor: Reader, services: ServicesDep, wanted: WantedPart
) -> HTMLResponse:
    """All characters."""
    every = library.list_editions(services, CHARACTERS, actor.tenant_id)
    editions = wanted.of(every, name=lambda each: each.name)
    return render(request, "characters.html", actor=actor, editions=editions)


@router.get(f"{_CHARACTER_PAGES}/new")
def new_character_page(request: Request, actor: ModelEditor, services: ServicesDep) -> HTMLResponse:
    """The form for a character."""
    return _character_page(request, services, actor, edition=None, versions=[])


@router.get(f"{_CHARACTER_PAGES}/{{character_id}}")
def character_page(
    request: Request,
    character_id: str,
    actor: Reader,
    services: ServicesDep,
    version: Version = None,
) -> HTMLResponse:
    """A version of a character, to read and to edit."""
    versions = library.list_versions(services, CHARACTERS, actor.tenant_id, character_id)
    edition = library.get_edition(
        services, CHARACTERS, actor.tenant_id, character_id, version=version
    )
    return _character_page(request, services, actor, edition=edition, versions=versions)


def _character_page(
    request: Request,
    services: Services,
    actor: Actor,
    *,
    edition: Edition[Character] | None,
    versions: list[Edition[Character]],
) -> HTMLResponse:
    return render(
        request,
        "character.html",
        actor=actor,
        edition=edition,
        versions=versions,
        content=Character() if edition is None else edition.content,
        choices=list_choices(services, actor.tenant_id),
    )


class CharacterForm(BaseModel):
    """A character as its form sends it; what is empty is left out."""

    name: str = ""
    greeting: str = ""
    persona: str = ""
    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    edited_version: int | None = None

    def content(self) -> Character:
        """What is kept.

        Raises:
            RecipeInvalid: a value is out of its bounds.
        """
        values = self.model_dump(include={"greeting", "persona", "model"})
        sampling = self.model_dump(include={"temperature", "top_p", "max_tokens"})
        return validate(Character, {**values, "sampling": sampling}, source=self.name)


@router.post(_CHARACTER_PAGES)
def add_character(
    request: Request,
    actor: ModelEditor,
    services: ServicesDep,
    form: Annotated[CharacterForm, Form()],
) -> Response:
    """Keep a character."""
    library.add_entry(services, CHARACTERS, actor, name=form.name, content=form.content())
    return go(request, _CHARACTER_PAGES)


@router.post(f"{_CHARACTER_PAGES}/{{character_id}}")
def edit_character(
    request: Request,
    character_id: str,
    actor: ModelEditor,
    services: ServicesDep,
    form: Annotated[CharacterForm, Form()],
) -> Response:
    """Make a new version of a character."""
    library.edit_entry(
        services,
        CHARACTERS,
        actor,
        character_id,
        name=form.name,
        content=form.content(),
        edited_version=form.edited_version,
    )
    return go(request, _CHARACTER_PAGES)


@router.delete(f"{_CHARACTER_PAGES}/{{character_id}}")
def delete_character(
    request: Request, character_id: str, actor: ModelEditor, services: ServicesDep
) -> Response:
    """Delete a character with all versions."""
    library.delete_entry(services, CHARACTERS, actor.tenant_id, character_id)
    return go(request, _CHARACTER_PAGES)


# --- prompts ---------------------------------------------------------------------------------


@router.get(_PROMPT_PAGES)
def prompts_page(
    request: Request, actor: Reader, services: ServicesDep, wanted: WantedPart
) -> HTMLResponse:
    """All prompts."""
    every = library.list_editions(services, PROMPTS, actor.tenant_id)
    editions = wanted.of(every, name=lambda each: each.name)
    return render(request, "prompts.html", actor=actor, editions=editions)


@router.get(f"{_PROMPT_PAGES}/new")
def new_prompt_page(request: Request, actor: ModelEditor) -> HTMLResponse:
    """The form for a prompt."""
    content = PromptTemplate()
    return render(request, "prompt.html", actor=actor, edition=None, versions=[], content=content)


@router.get(f"{_PROMPT_PAGES}/{{prompt_id}}")
def prompt_page(
    request: Request, prompt_id: str, actor: Reader, services: ServicesDep, version: Version = None
) -> HTMLResponse:
    """A version of a prompt, to read and to edit."""
    versions = library.list_versions(services, PROMPTS, actor.tenant_id, prompt_id)
    edition = library.get_edition(services, PROMPTS, actor.tenant_id, prompt_id, version=version)
    return render(
        request,
        "prompt.html",
        actor=actor,
        edition=edition,
        versions=versions,
        content=edition.content,
    )


class PromptForm(BaseModel):
    """A prompt as its form sends it."""

    name: str = ""
    template: str = ""
    sets_system: bool = False
    system_prompt: str = ""
    edited_version: int | None = None

    def content(self) -> PromptTemplate:
        """What is kept.

        Raises:
            RecipeInvalid: a text is too long.
        """
        system = self.system_prompt if self.sets_system else None
        values = {"template": self.template, "system_prompt": system}
        return validate(PromptTemplate, values, source=self.name)


@router.post(_PROMPT_PAGES)
def add_prompt(
    request: Request,
    actor: ModelEditor,
    services: ServicesDep,
    form: Annotated[PromptForm, Form()],
) -> Response:
    """Keep a prompt."""
    library.add_entry(services, PROMPTS, actor, name=form.name, content=form.content())
    return go(request, _PROMPT_PAGES)


@router.post(f"{_PROMPT_PAGES}/{{prompt_id}}")
def edit_prompt(
    request: Request,
    prompt_id: str,
    actor: ModelEditor,
    services: ServicesDep,
    form: Annotated[PromptForm, Form()],
) -> Response:
    """Make a new version of a prompt."""
    library.edit_entry(
        services,
        PROMPTS,
        actor,
        prompt_id,
        name=form.name,
        content=form.content(),
        edited_version=form.edited_version,
    )
    return go(request, _PROMPT_PAGES)


@router.delete(f"{_PROMPT_PAGES}/{{prompt_id}}")
def delete_prompt(
    request: Request, prompt_id: str, actor: ModelEditor, services: ServicesDep
) -> Response:
    """Delete a prompt with all versions."""
    library.delete_entry(services, PROMPTS, actor.tenant_id, prompt_id)
    return go(request, _PROMPT_PAGES)
