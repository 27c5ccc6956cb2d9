"""Characters to chat with and prompts to ask with; every edit is a version."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import PositiveInt

from tunesmith.api.access import ModelEditor, Reader, ServicesDep
from tunesmith.api.paging import Page
from tunesmith.schema import Name, Strict, setting
from tunesmith.service import library
from tunesmith.service.library import CHARACTERS, PROMPTS, Character, Edition, PromptTemplate

router = APIRouter()

Version = Annotated[
    int | None, Query(description="which version; the newest if left out", ge=1, le=2**31 - 1)
]
_EDITED = "the version that was edited: refused if there is a newer one"


class NewCharacter(Strict):
    """A character to keep."""

    name: Name = setting(..., "what to call it")
    content: Character


class CharacterEdit(Strict):
    """What a character is from now on."""

    name: Name | None = setting(None, "another name, for all versions")
    content: Character
    edited_version: PositiveInt | None = setting(None, _EDITED)


class NewPrompt(Strict):
    """A prompt to keep."""

    name: Name = setting(..., "what to call it")
    content: PromptTemplate


class PromptEdit(Strict):
    """What a prompt is from now on."""

    name: Name | None = setting(None, "another name, for all versions")
    content: PromptTemplate
    edited_version: PositiveInt | None = setting(None, _EDITED)


# --- characters ----------------------------------------------------------------------------------


@router.post("/characters", status_code=201, tags=["characters"])
def add_character(
    body: NewCharacter, actor: ModelEditor, services: ServicesDep
) -> Edition[Character]:
    """Keep a character."""
    return library.add_entry(services, CHARACTERS, actor, name=body.name, content=body.content)


@router.get("/characters", tags=["characters"])
def list_characters(actor: Reader, services: ServicesDep) -> Page[Edition[Character]]:
    """The newest version of each character, by name."""
    return Page(data=library.list_editions(services, CHARACTERS, actor.tenant_id))


@router.get("/characters/{character_id}", tags=["characters"])
def get_character(
    character_id: str, actor: Reader, services: ServicesDep, version: Version = None
) -> Edition[Character]:
    """A version of a character."""
    return library.get_edition(services, CHARACTERS, actor.tenant_id, character_id, version=version)


@router.get("/characters/{character_id}/versions", tags=["characters"])
def list_character_versions(
    character_id: str, actor: Reader, services: ServicesDep
) -> Page[Edition[Character]]:
    """Every version of a character, newest first."""
    return Page(data=library.list_versions(services, CHARACTERS, actor.tenant_id, character_id))


@router.put("/characters/{character_id}", tags=["characters"])
def edit_character(
    character_id: str, body: CharacterEdit, actor: ModelEditor, services: ServicesDep
) -> Edition[Character]:
    """Make a new version of a character; the same content makes none."""
    return library.edit_entry(
        services,
        CHARACTERS,
        actor,
        character_id,
        content=body.content,
        name=body.name,
        edited_version=body.edited_version,
    )


@router.delete("/characters/{character_id}", status_code=204, tags=["characters"])
def delete_character(character_id: str, actor: ModelEditor, services: ServicesDep) -> None:
    """Delete a character with all its versions."""
    library.delete_entry(services, CHARACTERS, actor.tenant_id, character_id)


# --- prompts -------------------------------------------------------------------------------------


@router.post("/prompts", status_code=201, tags=["prompts"])
def add_prompt(
    body: NewPrompt, actor: ModelEditor, services: ServicesDep
) -> Edition[PromptTemplate]:
    """Keep a prompt."""
    return library.add_entry(services, PROMPTS, actor, name=body.name, content=body.content)


@router.get("/prompts", tags=["prompts"])
def list_prompts(actor: Reader, services: ServicesDep) -> Page[Edition[PromptTemplate]]:
    """The newest version of each prompt, by name."""
    return Page(data=library.list_editions(services, PROMPTS, actor.tenant_id))


@router.get("/prompts/{prompt_id}", tags=["prompts"])
def get_prompt(
    prompt_id: str, actor: Reader, services: ServicesDep, version: Version = None
) -> Edition[PromptTemplate]:
    """A version of a prompt."""
    return library.get_edition(services, PROMPTS, actor.tenant_id, prompt_id, version=version)


@router.get("/prompts/{prompt_id}/versions", tags=["prompts"])
def list_prompt_versions(
    prompt_id: str, actor: Reader, services: ServicesDep
) -> Page[Edition[PromptTemplate]]:
    """Every version of a prompt, newest first."""
    return Page(data=library.list_versions(services, PROMPTS, actor.tenant_id, prompt_id))


@router.put("/prompts/{prompt_id}", tags=["prompts"])
def edit_prompt(
    prompt_id: str, body: PromptEdit, actor: ModelEditor, services: ServicesDep
) -> Edition[PromptTemplate]:
    """Make a new version of a prompt; the same content makes none."""
    return library.edit_entry(
        services,
        PROMPTS,
        actor,
        prompt_id,
        content=body.content,
        name=body.name,
        edited_version=body.edited_version,
    )


@router.delete("/prompts/{prompt_id}", status_code=204, tags=["prompts"])
def delete_prompt(prompt_id: str, actor: ModelEditor, services: ServicesDep) -> None:
    """Delete a prompt with all its versions."""
    library.delete_entry(services, PROMPTS, actor.tenant_id, prompt_id)
