"""The training form in a real browser: what it says at once, and a run that it starts."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.serving import Served
from tests.console.trainings import actor_of, add_dataset, wait_for
from tests.console.visitors import Visit, visiting
from tunesmith.service import saved_recipes
from tunesmith.training.presets import PRESETS

pytestmark = pytest.mark.timeout(300)

_LONG = 90_000  # milliseconds that a training may take on a machine that does other things


@pytest.fixture(scope="module")
def dataset(served: Served) -> str:
    add_dataset(served, actor_of(served), "questions-to-train", num_examples=20)
    return "questions-to-train"


@pytest.fixture
def form(owner: Visit, dataset: str) -> Page:
    """The form, with all that has to be filled in."""
    page = owner.open("/train")
    page.get_by_label("Name of the model to make").fill("from-the-form")
    page.locator("#dataset").fill(dataset)
    expect(page.locator("[data-ready=yes]")).to_be_visible()
    return page


@pytest.mark.parametrize(
    ("language", "texts"),
    [("en", ("Not ready", "Ready", "succeeded")), ("zh", ("尚未就绪", "就绪", "已完成"))],
)
def test_a_run_is_started_and_watched_to_its_end(
    browser: Browser, served: Served, dataset: str, language: str, texts: tuple[str, ...]
) -> None:
    with visiting(browser, served, language=language) as visit:
        visit.log_in()
        page = visit.open("/train")
        preview = page.locator("#preview")
        expect(preview.get_by_role("heading", name=texts[0], exact=True)).to_be_visible()
        page.locator("#name").fill(f"watched-{language}")
        page.locator("#dataset").fill(dataset)
        page.locator("[id='training.batch_size']").fill("2")
        expect(preview.get_by_role("heading", name=texts[1], exact=True)).to_be_visible()
        expect(preview).to_contain_text("30")  # 19 examples in steps of 2, three times
        preview.locator("button[type=submit]").click()
        page.wait_for_url("**/runs/ftjob-*")
        expect(page.locator("#head")).to_contain_text(texts[2], timeout=_LONG)
        expect(page.locator("#run")).to_have_attribute("data-steps", "30")
        expect(page.locator("#run")).to_have_attribute("data-connection", "ended")
        expect(page.locator("#checkpoints tbody tr").first).to_contain_text("30")


def test_the_model_says_whether_it_fits_into_memory(owner: Visit) -> None:
    page = owner.open("/train")
    expect(page.locator("#memory-fit")).to_contain_text("fits into memory")
    expect(page.locator("#model option:checked")).to_contain_text("fits into memory")


def test_a_preset_fills_the_form_and_every_change_is_counted(form: Page) -> None:
    form.locator("#preset").select_option("nl2json")
    for path, value in PRESETS["nl2json"].settings.items():
        expect(form.locator(f"[id='{path}']")).to_have_value(f"{value:g}")
    expect(form.locator("#name")).to_have_value("from-the-form")
    expect(form.locator("[data-changed]").first).to_have_text("5 changed")
    form.locator("[id='training.epochs']").fill("")
    expect(form.locator("[data-changed]").first).to_have_text("4 changed")
    form.locator("#as-text summary").click()
    expect(form.locator("#yaml")).to_contain_text("warmup_ratio: 0.01")
    expect(form.locator("#command")).to_have_text("tunesmith train from-the-form.yaml")


def test_the_form_speaks_of_one_worker_and_shows_formulas_as_code(form: Page) -> None:
    expect(form.locator("#pool")).to_contain_text("1 worker ·")
    expect(form.locator("label code")).to_have_text("(alpha / rank) B A")


def test_three_questions_fill_how_checkpoints_are_kept(form: Page) -> None:
    form.locator("summary", has_text="Checkpoints").click()
    every, keep = (form.locator(f"[id='checkpoint.{name}']") for name in ("every_steps", "keep"))
    form.get_by_label("Is there plenty of disk?").check()
    expect(keep).to_have_value("all")
    form.get_by_label("Does the machine stop often?").check()
    expect(every).to_have_value("200")
    form.get_by_label("Is there plenty of disk?").uncheck()
    expect(keep).to_have_value("5")
    keep.fill("7")
    form.locator("label", has_text="full").click()
    expect(form.locator("[id='method.rank']")).to_have_count(0)
    expect(keep).to_have_value("7")
    expect(form.get_by_label("Does the machine stop often?")).to_be_checked()


def test_what_is_wrong_or_unusual_is_said_at_its_field(form: Page) -> None:
    rate = form.locator("[id='training.learning_rate']")
    note = form.locator("[data-note-for='training.learning_rate']")
    rate.fill("0.05")
    expect(note).to_contain_text("0.002 is the sensible band")
    expect(form.locator("[data-ready=yes]")).to_be_visible()
    rate.fill("7")
    expect(note).to_contain_text("must be less than or equal to 1")
    expect(rate).to_have_class("form-control changed is-invalid")
    expect(form.locator("#preview button[type=submit]")).to_be_disabled()
    rate.fill("")
    form.locator("#dataset").fill("nobody-has-it")
    expect(form.locator("[data-note-for='data.train']")).to_contain_text("nobody-has-it")


def test_only_the_fields_of_the_chosen_kinds_are_there(form: Page) -> None:
    expect(form.locator("[id='method.rank']")).to_have_count(1)
    form.locator("label", has_text="full").click()
    expect(form.locator("[id='method.rank']")).to_have_count(0)
    expect(form.locator("[id='training.learning_rate']")).to_have_attribute("placeholder", "2e-05")
    form.locator("[id='training.scheduler.kind']").select_option("polynomial")
    expect(form.locator("[id='training.scheduler.power']")).to_have_count(1)


def test_the_exact_figures_of_a_check_stand_in_place_of_the_estimates(form: Page) -> None:
    warning = form.locator("#preview").get_by_text("checkpoint.every_steps = 200 exceeds")
    expect(warning).to_be_visible()
    form.get_by_role("button", name="Check now").click()
    expect(form.locator("[data-checked]")).to_contain_text("Memory", timeout=_LONG)
    expect(form.locator("[data-checked]")).to_contain_text("activations")
    expect(
        form.locator("#preview").get_by_text("Steps", exact=True).filter(visible=True)
    ).to_have_count(1)
    expect(warning.filter(visible=True)).to_have_count(1)
    form.locator("[id='training.epochs']").fill("1")
    expect(form.locator("[data-estimate]")).to_be_visible()


def test_values_to_try_are_a_run_each(form: Page, served: Served) -> None:
    form.locator("#name").fill("tried")
    form.locator("[id='training.learning_rate']").fill("1e-4 | 2e-3")
    form.locator("summary", has_text="Method").click()
    form.locator("[id='method.rank']").fill("2 | 4 | x")
    expect(form.locator("[data-note-for='method.rank']")).to_contain_text("got 'x'")
    form.locator("[id='method.rank']").fill("2|4")
    expect(form.locator("#preview")).to_contain_text("4 runs, tried-1 to tried-4; of each:")
    form.locator("#as-text summary").click()
    expect(form.locator("#command")).to_contain_text("--try 'method.rank=2 | 4'")
    form.locator("#pool").evaluate("pool => pool.innerHTML = '<option>far-away</option>'")
    form.get_by_role("button", name="Start 4 runs").click()
    form.wait_for_url("**/runs?text=tried-")
    expect(form.locator("#list tbody tr")).to_have_count(4)
    form.get_by_label("All of them").check()
    form.get_by_role("button", name="Compare the chosen").click()
    differences = form.locator("#differences")
    expect(differences.locator("tr", has_text="training.learning_rate")).to_contain_text("0.002")
    expect(differences.locator("tr", has_text="method.rank").locator("td")).to_have_text(
        ["method.rank", "4", "2", "4", "2"]
    )


def test_recipes_are_kept_and_loaded(form: Page, served: Served) -> None:
    form.locator("[id='training.epochs']").fill("2")
    form.get_by_label("Name to save the recipe under").fill("kept")
    form.get_by_role("button", name="Save recipe").click()
    expect(form.locator("#notices")).to_contain_text("Saved as kept.")
    kept = saved_recipes.find_recipe(served.services, actor_of(served).tenant_id, "kept")
    assert kept.recipe["training"]["epochs"] == 2
    form.goto(f"{served.address}/train?recipe=kept")
    expect(form.locator("[id='training.epochs']")).to_have_value("2")
    expect(form.locator("#name")).to_have_value("from-the-form")


def test_a_recipe_of_yaml_fills_the_form(form: Page) -> None:
    form.get_by_role("button", name="Load").click()
    form.get_by_role("link", name="From YAML").click()
    form.get_by_label("YAML", exact=True).fill(
        "name: pasted\nmodel: smollm2-135m\ndata: {train: questions-to-train, validation: none}\n"
        "training: {scheduler: cosine, learning_rate: 3e-4}\n"
    )
    form.get_by_role("button", name="Fill the form").click()
    expect(form.locator("#name")).to_have_value("pasted")
    expect(form.locator("[id='training.scheduler.kind']")).to_have_value("cosine")
    expect(form.locator("[id='training.learning_rate']")).to_have_value("0.0003")
    expect(form.locator("[data-ready=yes]")).to_be_visible()


def test_a_dataset_leads_to_a_form_that_is_filled_in(owner: Visit, dataset: str) -> None:
    page = owner.open(f"/datasets/{dataset}/rows")
    page.get_by_role("link", name="Train on it").click()
    expect(page.locator("[data-ready=yes]")).to_be_visible()
    expect(page.locator("#dataset")).to_have_value(dataset)
    expect(page.locator("#name")).to_have_value(f"{dataset}-tuned")


def test_two_clicks_start_one_run(form: Page, served: Served) -> None:
    form.locator("#name").fill("clicked-twice")
    form.locator("#pool").evaluate("pool => pool.innerHTML = '<option>far-away</option>'")
    expect(form.locator("[data-ready=yes]")).to_be_visible()
    form.get_by_role("button", name="Start training").dblclick()
    form.wait_for_url("**/runs/ftjob-*")
    run_id = form.url.rpartition("/")[2]
    form.goto(f"{served.address}/runs?text=clicked-twice")
    expect(form.locator("#list tbody tr")).to_have_count(1)
    wait_for(served, actor_of(served), run_id, "queued")
