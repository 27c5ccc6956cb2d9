"""Comparisons in the service: asked as jobs, voted on blindly, taken away. On both databases."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.api.serving import PASSWORD
from tests.evaluation.made import commit_comparison, exchange
from tests.service.installations import BASE_MODEL, DATASET, training
from tunesmith.artifacts import commit_folder, write_json
from tunesmith.errors import Conflict, DatasetRejected, InUse, NotFound, RecipeInvalid
from tunesmith.evaluation.job import CompareJob
from tunesmith.evaluation.questions import Prompt
from tunesmith.jobs.spec import read_spec
from tunesmith.schema import validate
from tunesmith.service import comparisons, jobs, keys, people, submitting, tenants
from tunesmith.service.access import Actor, authenticate
from tunesmith.service.chat_votes import ChatBallot, chat_vote_totals, vote_in_chat
from tunesmith.service.comparisons import get_comparison, list_comparisons
from tunesmith.service.job_requests import CompareRequest, ContestantRequest
from tunesmith.service.model_pages import delete_model, set_alias
from tunesmith.service.preparation import job_folder, prepare_folder
from tunesmith.service.run_pages import delete_run
from tunesmith.service.services import Services
from tunesmith.service.votes import blind_exchanges, vote, vote_totals, wilson_interval
from tunesmith.store.tables import Job, Model

PROMPTS = [Prompt(prompt="hello")]


def request(*models: str, **more: object) -> CompareRequest:
    asked = [ContestantRequest(model=model) for model in models]
    return CompareRequest.model_validate({"models": asked, "prompts": PROMPTS, **more})


def add_model(services: Services, actor: Actor, *, version: int) -> str:
    """A version of the model `shop` that a run has made, with a checkpoint."""
    job_id = submitting.submit_job(services, training(), actor=actor).id
    home = services.home(actor.tenant_id)
    with services.database.transaction() as db:
        prepare_folder(services, db.get_one(Job, job_id))

    def write(target: Path) -> None:
        (target / "weights").mkdir()
        (target / "weights" / "w").write_text("w")
        (target / "weights" / "adapter_config.json").write_text("{}")

    for folder in (f"runs/{job_id}/result", f"runs/{job_id}/checkpoints/step-00000005"):
        commit_folder(home.folder / folder, kind="adapter", write=write)
    with services.database.transaction() as db:
        model = Model(
            id=f"model-{version}",
            tenant_id=actor.tenant_id,
            name="shop",
            version=version,
            kind="adapter",
            base=BASE_MODEL,
            job_id=job_id,
            digest="",
            folder=f"runs/{job_id}/result",
            created_at=services.clock(),
        )
        db.add(model)
    return job_id


def finished(services: Services, actor: Actor, *, num_prompts: int = 3) -> str:
    view = submitting.submit_job(services, request(BASE_MODEL), actor=actor)
    exchanges = [
        exchange(n, [f"first {n}", f"second {n}"], reference="x") for n in range(1, num_prompts + 1)
    ]
    with services.database.transaction() as db:
        job = db.get_one(Job, view.id)
        job.status = "succeeded"
        commit_comparison(comparisons.result_folder(services, job), ["one", "two"], exchanges)
    return view.id


def colleague(services: Services, actor: Actor, email: str) -> Actor:
    member = people.add_member(
        services, actor.tenant_id, email=email, role="member", password=PASSWORD
    )
    with services.database.transaction() as db:
        secret = keys.insert_key(
            db, member.person_id, actor.tenant_id, name="k", kind="key", now=services.clock()
        )
    other = authenticate(services, secret)
    assert other is not None
    return other


# --- asking ----------------------------------------------------------------------------------


def test_every_name_is_pinned_when_it_is_asked(services: Services, actor: Actor) -> None:
    first = add_model(services, actor, version=1)
    second = add_model(services, actor, version=2)
    set_alias(services, actor, "prod", model="shop@1")
    asked = request(
        BASE_MODEL, "shop", "shop@1", "prod", f"{second}@5", dataset=DATASET, prompts=[]
    )
    view = submitting.submit_job(services, asked, actor=actor)
    set_alias(services, actor, "prod", model="shop@2")
    add_model(services, actor, version=3)
    with services.database.reading() as db:
        job = db.get_one(Job, view.id)
    spec = read_spec(prepare_folder(services, job))
    assert isinstance(spec, CompareJob)
    home = services.home(actor.tenant_id)
    assert [Path(each.folder) for each in spec.contestants] == [
        services.installation.models / BASE_MODEL,
        home.folder / f"runs/{second}/result",
        home.folder / f"runs/{first}/result",
        home.folder / f"runs/{first}/result",
        home.folder / f"runs/{second}/checkpoints/step-00000005/weights",
    ]
    assert [each.label for each in spec.contestants] == [each.model for each in asked.models]
    assert spec.dataset is not None
    assert spec.dataset.version == home.find("dataset", DATASET).id


def test_a_checkpoint_answers_with_the_system_prompt_of_its_training(
    services: Services, actor: Actor
) -> None:
    run_id = add_model(services, actor, version=1)
    folder = services.home(actor.tenant_id).runs / run_id
    job = read_spec(folder).model_dump(mode="json")
    job["config"]["data"]["system_prompt"] = "You are a shop."
    write_json(folder / "job.json", job)
    asked = request(f"{run_id}@5", "shop")
    view = submitting.submit_job(services, asked, actor=actor)
    with services.database.reading() as db:
        spec = read_spec(prepare_folder(services, db.get_one(Job, view.id)))
    assert isinstance(spec, CompareJob)
    assert [each.system_prompt for each in spec.contestants] == ["You are a shop.", None]


def test_what_cannot_be_compared_is_refused_when_it_is_asked(
    services: Services, actor: Actor
) -> None:
    for asked, error, words in (
        (request("nobody"), NotFound, "no model 'nobody'"),
        (request("shop@77"), NotFound, "no model 'shop@77'"),
        (request(BASE_MODEL, dataset="nothing", prompts=[]), NotFound, "no dataset"),
        (request(BASE_MODEL, prompts=[]), DatasetRejected, "either prompts or a dataset"),
        (request(BASE_MODEL, dataset=DATASET), DatasetRejected, "either prompts or a dataset"),
    ):
        with pytest.raises(error, match=words):
            submitting.submit_job(services, asked, actor=actor)
    twice = {"models": [{"model": "a"}, {"model": "b", "label": "a"}], "prompts": [{"prompt": "x"}]}
    with pytest.raises(RecipeInvalid, match="'a' is there twice"):
        validate(CompareRequest, twice, source="request")


# --- voting ----------------------------------------------------------------------------------


def test_letters_hide_who_answered_until_one_has_voted(services: Services, actor: Actor) -> None:
    comparison = finished(services, actor, num_prompts=40)
    page, has_more = blind_exchanges(services, actor, comparison, after=0, limit=30)
    assert has_more
    again, _ = blind_exchanges(services, actor, comparison, after=0, limit=30)
    assert page == again
    firsts = {each.answers["A"].split()[0] for each in page}
    assert firsts == {"first", "second"}  # neither always stands under A
    assert all(each.vote is None for each in page)

    letter = next(key for key, text in page[6].answers.items() if text == "second 7")
    cast = vote(services, actor, comparison, 7, letter)
    assert cast.names[letter] == "two"
    later, _ = blind_exchanges(services, actor, comparison, after=6, limit=1)
    assert later[0].vote == cast
    other = colleague(services, actor, "bo@example.org")
    theirs, _ = blind_exchanges(services, other, comparison, after=0, limit=30)
    assert all(each.vote is None for each in theirs)
    assert [each.answers for each in theirs] != [each.answers for each in page]


def test_a_person_has_one_vote_a_prompt_and_may_change_it(services: Services, actor: Actor) -> None:
    comparison = finished(services, actor)
    other = colleague(services, actor, "bo@example.org")

    def best(who: Actor, number: int, wanted: str) -> None:
        page, _ = blind_exchanges(services, who, comparison, after=number - 1, limit=1)
        [letter] = [key for key, text in page[0].answers.items() if text.startswith(wanted)]
        vote(services, who, comparison, number, letter)

    best(actor, 1, "first")
    best(actor, 1, "second")
    best(other, 1, "second")
    best(actor, 2, "first")
    vote(services, actor, comparison, 3, "tie")
    vote(services, other, comparison, 3, "none")
    totals = vote_totals(services, actor.tenant_id, comparison)
    assert (totals.num_votes, totals.num_voters) == (5, 2)
    assert (totals.num_ties, totals.num_none) == (1, 1)
    one, two = totals.standings
    assert (one.model, one.num_best, two.model, two.num_best) == ("one", 1, "two", 2)
    assert two.win_rate == pytest.approx(2 / 3)
    assert (two.low, two.high) == pytest.approx(wilson_interval(2, 3))
    assert get_comparison(services, actor.tenant_id, comparison).comparison.num_votes == 5


def test_votes_for_nothing_are_refused(services: Services, actor: Actor) -> None:
    comparison = finished(services, actor)
    for number, choice in ((0, "A"), (4, "A"), (1, "C"), (1, "both")):
        with pytest.raises(NotFound):
            vote(services, actor, comparison, number, choice)
    waiting = submitting.submit_job(services, request(BASE_MODEL), actor=actor).id
    with pytest.raises(Conflict, match="is queued"):
        vote(services, actor, waiting, 1, "A")
    assert get_comparison(services, actor.tenant_id, waiting).summary is None
    totals = vote_totals(services, actor.tenant_id, comparison)
    assert (totals.num_votes, totals.standings[0].win_rate) == (0, None)


def test_votes_in_chats_count_where_a_model_took_part(services: Services, actor: Actor) -> None:
    for version in (1, 2):
        add_model(services, actor, version=version)
    set_alias(services, actor, "prod", model="shop@1")

    def cast(*models: str, choice: str) -> None:
        vote_in_chat(services, actor, ChatBallot(models=list(models), choice=choice))

    cast("prod", "shop@2", choice="A")
    set_alias(services, actor, "prod", model="shop@2")  # a vote was for what it was then
    cast(BASE_MODEL, "shop@1", choice="B")
    cast("shop@2", BASE_MODEL, choice="B")
    cast("shop@1", BASE_MODEL, choice="tie")
    totals = chat_vote_totals(services, actor.tenant_id)
    assert (totals.num_votes, totals.num_voters, totals.num_ties) == (4, 1, 1)
    told = [(each.model, each.num_best, each.win_rate) for each in totals.standings]
    assert told == [("shop@1", 2, 1.0), (BASE_MODEL, 1, 0.5), ("shop@2", 0, 0.0)]
    assert totals.standings[0].low == pytest.approx(wilson_interval(2, 2)[0])
    with pytest.raises(Conflict, match="not all different"):
        cast("prod", "shop@2", choice="A")
    with pytest.raises(NotFound, match="'C'"):
        cast(BASE_MODEL, "shop@1", choice="C")

    other = tenants.add_tenant(services, "globex", owner="o@b.c", password=PASSWORD, quotas={}).id
    assert chat_vote_totals(services, other).num_votes == 0
    with pytest.raises(NotFound, match="shop@1"):
        vote_in_chat(
            services,
            replace(actor, tenant_id=other),
            ChatBallot(models=[BASE_MODEL, "shop@1"], choice="A"),
        )


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20.
    for hits, trials, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
    ):
        assert wilson_interval(hits, trials) == pytest.approx((low, high), abs=5e-5)


# --- taking away -----------------------------------------------------------------------------


def test_a_deleted_comparison_takes_its_votes_and_files_along(
    services: Services, actor: Actor
) -> None:
    comparison = finished(services, actor)
    vote(services, actor, comparison, 1, "tie")
    waiting = submitting.submit_job(services, request(BASE_MODEL), actor=actor).id
    with pytest.raises(Conflict, match="cancel its job first"):
        comparisons.delete_comparison(services, actor.tenant_id, waiting)
    comparisons.delete_comparison(services, actor.tenant_id, comparison)
    listed, _ = list_comparisons(services, actor.tenant_id, after=None, limit=10)
    assert [each.id for each in listed] == [waiting]
    with services.database.reading() as db:
        job = db.get_one(Job, comparison)
    assert not job_folder(services, job).exists()
    with pytest.raises(NotFound):
        vote_totals(services, actor.tenant_id, comparison)


def test_what_a_waiting_comparison_needs_is_not_deleted(services: Services, actor: Actor) -> None:
    run_id = add_model(services, actor, version=1)
    jobs.cancel_job(services, actor.tenant_id, run_id)
    asked = submitting.submit_job(services, request("shop", f"{run_id}@5"), actor=actor).id
    with pytest.raises(InUse, match=asked):
        delete_model(services, actor.tenant_id, "model-1")
    jobs.cancel_job(services, actor.tenant_id, asked)
    delete_model(services, actor.tenant_id, "model-1")
    asked = submitting.submit_job(services, request(f"{run_id}@5"), actor=actor).id
    with pytest.raises(InUse, match=asked):
        delete_run(services, actor.tenant_id, run_id)
    jobs.cancel_job(services, actor.tenant_id, asked)
    delete_run(services, actor.tenant_id, run_id)
