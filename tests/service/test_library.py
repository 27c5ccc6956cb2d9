"""Characters, prompts and kept chats. On both databases."""

from pathlib import Path

import pytest

from tests.service.installations import BASE_MODEL
from tunesmith.data.dataset import open_version, read_examples
from tunesmith.data.importing import run_import
from tunesmith.data.job import ImportJob
from tunesmith.errors import Conflict, NameInvalid, NotFound, RecipeInvalid
from tunesmith.evaluation.job import CompareJob
from tunesmith.evaluation.questions import Prompt, Turn
from tunesmith.jobs.spec import read_spec
from tunesmith.schema import validate
from tunesmith.service import library, submitting, transcripts
from tunesmith.service.access import Actor
from tunesmith.service.job_requests import CompareRequest, ContestantRequest
from tunesmith.service.library import Edition
from tunesmith.service.preparation import prepare_folder
from tunesmith.service.services import Services
from tunesmith.service.shelves import CHARACTERS, PROMPTS, Character, PromptTemplate
from tunesmith.service.transcripts import ChatToKeep
from tunesmith.store.tables import EntryVersion, Job


def add_prompt(services: Services, actor: Actor, name: str, template: str) -> Edition:
    content = PromptTemplate(template=template)
    return library.add_entry(services, PROMPTS, actor, name=name, content=content)


def chat(title: str = "a chat", **more: object) -> ChatToKeep:
    turns = [Turn(role="user", content="你好"), Turn(role="assistant", content="hello")]
    return ChatToKeep.model_validate(
        {"title": title, "model": BASE_MODEL, "messages": turns, **more}
    )


def test_every_edit_is_a_version_and_no_edit_is_none(services: Services, actor: Actor) -> None:
    first = library.add_entry(
        services, CHARACTERS, actor, name="船长", content=Character(persona="one")
    )

    def edit(persona: str, **more: object) -> Edition[Character]:
        content = Character(persona=persona)
        return library.edit_entry(services, CHARACTERS, actor, first.id, content=content, **more)  # type: ignore[arg-type]

    assert edit("one") == first
    assert edit("two", name="captain", edited_version=1).version == 2
    with pytest.raises(Conflict, match="has version 2 by now"):
        edit("three", edited_version=1)
    versions = library.list_versions(services, CHARACTERS, actor.tenant_id, first.id)
    assert [(each.version, each.content.persona) for each in versions] == [(2, "two"), (1, "one")]
    assert {each.name for each in versions} == {"captain"}
    old = library.find_edition(services, CHARACTERS, actor.tenant_id, "captain@1")
    assert old.content.persona == "one"
    [listed] = library.list_editions(services, CHARACTERS, actor.tenant_id)
    assert listed.version == 2
    for reference in ("船长", "captain@3", "captain@x"):
        with pytest.raises(NotFound):
            library.find_edition(services, CHARACTERS, actor.tenant_id, reference)


def test_names_belong_to_a_kind(services: Services, actor: Actor) -> None:
    add_prompt(services, actor, "short", "{{prompt}}!")
    with pytest.raises(Conflict, match="a prompt 'short' already"):
        add_prompt(services, actor, "short", "{{prompt}}?")
    with pytest.raises(NameInvalid):
        add_prompt(services, actor, "../x", "{{prompt}}?")
    person = library.add_entry(services, CHARACTERS, actor, name="short", content=Character())
    with pytest.raises(NotFound):
        library.get_edition(services, PROMPTS, actor.tenant_id, person.id)
    library.delete_entry(services, CHARACTERS, actor.tenant_id, person.id)
    assert library.list_editions(services, CHARACTERS, actor.tenant_id) == []
    assert len(library.list_editions(services, PROMPTS, actor.tenant_id)) == 1


def test_a_prompt_that_leaves_out_what_is_said_is_not_kept_but_read(
    services: Services, actor: Actor
) -> None:
    kept = add_prompt(services, actor, "spaced", "Briefly: {{ prompt }}")
    for refuse in (
        lambda content: library.add_entry(services, PROMPTS, actor, name="x", content=content),
        lambda content: library.edit_entry(services, PROMPTS, actor, kept.id, content=content),
    ):
        with pytest.raises(RecipeInvalid, match=r"template has no \{\{prompt\}\}"):
            refuse(PromptTemplate(template="Say hello in {{language}}."))
    with services.database.transaction() as db:
        row = db.get_one(EntryVersion, (kept.id, 1))
        row.content = {"template": "from before this was refused", "system_prompt": None}
    [listed] = library.list_editions(services, PROMPTS, actor.tenant_id)
    assert listed.content.template == "from before this was refused"
    assert (
        library.edit_entry(  # another name for it is no new version
            services, PROMPTS, actor, kept.id, name="renamed", content=listed.content
        ).name
        == "renamed"
    )


def test_two_versions_of_a_prompt_are_compared_over_the_same_rows(
    services: Services, actor: Actor
) -> None:
    first = add_prompt(services, actor, "ask", "{{prompt}}")
    second = PromptTemplate(template="In {{language}}: {{prompt}}", system_prompt="Be short.")
    library.edit_entry(services, PROMPTS, actor, first.id, content=second)
    captain = Character(persona="You are a captain.")
    library.add_entry(services, CHARACTERS, actor, name="captain", content=captain)
    request = CompareRequest(
        models=[
            ContestantRequest(model=BASE_MODEL, prompt="ask@1"),
            ContestantRequest(model=BASE_MODEL, prompt="ask"),
            ContestantRequest(model=BASE_MODEL, character="captain"),
            ContestantRequest(model=BASE_MODEL, prompt="ask", label="mine", system_prompt="No."),
        ],
        prompts=[Prompt(prompt="hi", variables={"language": "French"})],
    )
    view = submitting.submit_job(services, request, actor=actor)
    library.edit_entry(  # afterwards: what was asked for stays
        services, PROMPTS, actor, first.id, content=PromptTemplate(template="later {{prompt}}")
    )
    with services.database.reading() as db:
        spec = read_spec(prepare_folder(services, db.get_one(Job, view.id)))
    assert isinstance(spec, CompareJob)
    assert [(each.label, each.template, each.system_prompt) for each in spec.contestants] == [
        (f"{BASE_MODEL} ask@1", "{{prompt}}", None),
        (f"{BASE_MODEL} ask", second.template, "Be short."),
        (f"{BASE_MODEL} captain", "", "You are a captain."),
        ("mine", second.template, "No."),
    ]


def test_a_kept_chat_names_the_version_of_its_character(services: Services, actor: Actor) -> None:
    person = library.add_entry(
        services, CHARACTERS, actor, name="captain", content=Character(persona="one")
    )
    kept = transcripts.keep_chat(services, actor, chat(character="captain"))
    library.edit_entry(services, CHARACTERS, actor, person.id, content=Character(persona="two"))
    library.delete_entry(services, CHARACTERS, actor.tenant_id, person.id)
    again = transcripts.get_transcript(services, actor.tenant_id, kept.transcript.id)
    assert again == kept
    assert again.transcript.character == "captain@1"
    with pytest.raises(NotFound, match="no character 'captain'"):
        transcripts.keep_chat(services, actor, chat(character="captain"))
    values = {"title": "t", "model": "m", "messages": [{"role": "user", "content": "hi"}]}
    with pytest.raises(RecipeInvalid, match="without an answer"):
        validate(ChatToKeep, values, source="chat")


def test_kept_chats_are_listed_deleted_and_trained_on(
    services: Services, actor: Actor, tmp_path: Path
) -> None:
    greeted = [
        Turn(role="system", content="You are a captain."),
        Turn(role="assistant", content="Ahoy!"),
        Turn(role="user", content="who are you?"),
        Turn(role="assistant", content="the captain"),
    ]
    chats = [chat("one"), chat("two", messages=greeted), chat("three")]
    ids = [transcripts.keep_chat(services, actor, each).transcript.id for each in chats]
    page, has_more = transcripts.list_transcripts(services, actor.tenant_id, after=None, limit=2)
    rest, no_more = transcripts.list_transcripts(
        services, actor.tenant_id, after=page[-1].id, limit=2
    )
    assert sorted(each.id for each in page + rest) == sorted(ids)
    assert (has_more, no_more) == (True, False)
    transcripts.delete_transcript(services, actor.tenant_id, ids[2])
    for act in (transcripts.get_transcript, transcripts.delete_transcript):
        with pytest.raises(NotFound):
            act(services, actor.tenant_id, ids[2])

    source = tmp_path / "chats.jsonl"
    lines = transcripts.export_transcripts(services, actor.tenant_id, [])
    source.write_text("".join(lines), "utf-8")
    version = run_import(
        ImportJob(source=str(source), into=str(tmp_path / "into"), scratch=str(tmp_path)),
        emit=lambda event: None,
    )
    examples = [example for _, example in read_examples(open_version(version.folder))]
    assert [len(each.messages) for each in examples] == [2, 4]  # type: ignore[union-attr]

    job = transcripts.make_dataset(services, actor, name="kept", ids=ids[:1])
    with services.database.reading() as db:
        spec = read_spec(prepare_folder(services, db.get_one(Job, job.id)))
    assert isinstance(spec, ImportJob)
    version = run_import(spec, emit=lambda event: None)
    assert open_version(version.folder).num_examples == 1
