"""Aliases with a history, and checkpoints that become models. On both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.service.test_comparisons import add_model
from tunesmith.artifacts import is_intact
from tunesmith.errors import Conflict, InUse, NotFound
from tunesmith.modeling.answer import read_settings
from tunesmith.service.access import Actor
from tunesmith.service.alias_moves import list_moves
from tunesmith.service.model_pages import delete_alias, delete_model, set_alias
from tunesmith.service.promotion import register_checkpoint
from tunesmith.service.registry import find_model
from tunesmith.service.services import Services


def moves(services: Services, actor: Actor, name: str) -> list[tuple[str | None, str | None]]:
    found, _ = list_moves(services, actor.tenant_id, name, after=0, limit=100)
    assert {move.moved_by for move in found} == {actor.email}
    return [(move.from_model, move.to_model) for move in reversed(found)]


def test_an_alias_has_a_history_that_outlives_it(services: Services, actor: Actor) -> None:
    for version in (1, 2):
        add_model(services, actor, version=version)
    for model in ("shop@1", "shop@2", "shop@2", "shop@1"):
        set_alias(services, actor, "prod", model=model)
    delete_alias(services, actor, "prod")
    set_alias(services, actor, "prod", model="shop@2")
    assert moves(services, actor, "prod") == [
        (None, "shop@1"),
        ("shop@1", "shop@2"),
        ("shop@2", "shop@1"),
        ("shop@1", None),
        (None, "shop@2"),
    ]
    delete_model(services, actor.tenant_id, "model-1")
    assert moves(services, actor, "prod")[0] == (None, "model-1")
    page, has_more = list_moves(services, actor.tenant_id, "prod", after=3, limit=1)
    assert (page[0].to_model, has_more) == ("shop@2", True)
    with pytest.raises(NotFound):
        list_moves(services, actor.tenant_id, "candidate", after=0, limit=1)


def test_of_two_who_move_an_alias_at_once_one_is_refused(services: Services, actor: Actor) -> None:
    for version in (1, 2, 3):
        add_model(services, actor, version=version)
    set_alias(services, actor, "prod", model="shop@1")

    def move(model: str) -> str:
        try:
            set_alias(services, actor, "prod", model=model, instead_of="shop@1")
        except Conflict:
            return "refused"
        return model

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(move, ("shop@2", "shop@3")))
    assert "refused" in outcomes
    [moved] = [outcome for outcome in outcomes if outcome != "refused"]
    assert moves(services, actor, "prod")[-1] == ("shop@1", moved)


def test_a_checkpoint_becomes_the_next_version_with_files_of_its_own(
    services: Services, actor: Actor
) -> None:
    run_id = add_model(services, actor, version=1)
    made = register_checkpoint(services, actor, run_id, 5, name="shop")
    assert (made.name, made.version, made.run, made.kind) == ("shop", 2, run_id, "adapter")
    assert made.id.endswith("-step-5")
    model = find_model(services, actor.tenant_id, "shop")
    folder = services.home(actor.tenant_id).folder / model.folder
    assert is_intact(folder)
    assert (folder / "w").read_text() == "w"
    assert read_settings(folder)["base"]["reference"] == made.base
    with pytest.raises(Conflict, match="already"):
        register_checkpoint(services, actor, run_id, 5, name="shop")
    assert len(list(folder.parent.iterdir())) == 1  # the refused copy is gone
    set_alias(services, actor, "prod", model=made.id)
    with pytest.raises(InUse):
        delete_model(services, actor.tenant_id, made.id)
    delete_alias(services, actor, "prod")
    delete_model(services, actor.tenant_id, made.id)
    assert not folder.exists()
    for step in (4, 0):
        with pytest.raises(NotFound, match=f"no checkpoint {step}"):
            register_checkpoint(services, actor, run_id, step, name=None)
