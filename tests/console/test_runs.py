"""A run's page and the list of runs in a real browser: restarts, failures, the queue, many."""

import json
import re
from signal import SIGKILL

import pytest
from playwright.sync_api import Browser, expect

from tests.api.serving import Served
from tests.console.trainings import actor_of, add_dataset, events_of, train, wait_for
from tests.console.visitors import PASSWORD, Visit, measure, visiting
from tunesmith.service.access import Actor
from tunesmith.store.tables import Job

pytestmark = pytest.mark.timeout(300)

_LONG = 90_000  # milliseconds that a training may take on a machine that does other things
_NUM_POINTS = 10_000
_NUM_MOVES = 20
_MOST_SECONDS_A_FRAME = 0.1  # of the processor, on all four charts, which move together
_NEXT_FRAME = "() => new Promise((then) => requestAnimationFrame(() => then()))"
# What the browser says while nobody answers is not the page's complaint.
_OF_AN_OUTAGE = re.compile(
    r"net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING)"
    r"|htmx:error: Failed to fetch"
)
_SOME = re.compile(r"^[1-9]\d*$")


@pytest.fixture(scope="module")
def dataset(served: Served, actor: Actor) -> str:
    add_dataset(served, actor, "rows-of-runs", num_examples=20)
    return "rows-of-runs"


@pytest.fixture(scope="module")
def finished(served: Served, actor: Actor, dataset: str) -> str:
    """A run that has ended well."""
    run_id = train(served, actor, "ended-well", dataset, epochs=1)
    wait_for(served, actor, run_id, "succeeded")
    return run_id


# --- one run ---------------------------------------------------------------------------------


def test_a_restart_of_the_server_leaves_no_gap_and_no_duplicate(
    owner: Visit, served: Served, actor: Actor, dataset: str
) -> None:
    run_id = train(served, actor, "through-a-restart", dataset, epochs=15, evaluate_every=150)
    page = owner.open(f"/runs/{run_id}")
    run = page.locator("#run")
    page.wait_for_function("() => document.getElementById('run').dataset.steps > 0", timeout=_LONG)
    served.end("server", by=SIGKILL)  # at once, while steps are to come
    expect(page.get_by_text("disconnected; coming back by itself")).to_be_visible()
    served.start("server")
    expect(page.locator("#head")).to_contain_text("succeeded", timeout=_LONG)
    expect(run).to_have_attribute("data-steps", "150")
    expect(run).to_have_attribute("data-distinct", "150")
    page.reload()
    expect(run).to_have_attribute("data-steps", "150")
    owner.complaints[:] = [each for each in owner.complaints if not _OF_AN_OUTAGE.search(each)]


def test_a_run_is_paused_resumed_and_cancelled(
    owner: Visit, served: Served, actor: Actor, dataset: str
) -> None:
    run_id = train(served, actor, "steered", dataset, epochs=50, evaluate_every=1000)
    page = owner.open(f"/runs/{run_id}")
    expect(page.locator("#run")).to_have_attribute("data-steps", _SOME, timeout=_LONG)
    page.get_by_role("button", name="Pause").click()
    head = page.locator("#head")
    expect(head.get_by_role("button", name="Resume")).to_be_visible(timeout=_LONG)
    expect(page.locator("#checkpoints tbody tr").first).to_be_visible()
    head.get_by_role("button", name="Resume").click()
    expect(head.get_by_role("button", name="Cancel")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    head.get_by_role("button", name="Cancel").click()
    expect(head).to_contain_text("cancelled", timeout=_LONG)


def test_a_finished_run_is_extended_and_cloned(owner: Visit, served: Served, finished: str) -> None:
    page = owner.open(f"/runs/{finished}")
    expect(page.locator("#run")).to_have_attribute("data-connection", "ended")
    page.get_by_role("link", name="Run again, changed").click()
    expect(page.locator("#name")).to_have_value("ended-well")
    expect(page.locator("[id='training.batch_size']")).to_have_value("2")
    page.go_back()
    page.locator("#head").get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the run").fill("ended-very-well")
    page.locator("#rename").get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", name="ended-very-well")).to_be_visible()
    page.get_by_role("button", name="More epochs").click()
    page.wait_for_url(re.compile(f"/runs/(?!{finished})"))
    expect(page.locator("#head")).to_contain_text("succeeded", timeout=_LONG)
    expect(page.locator("#run")).to_have_attribute("data-steps", "10")
    expect(page.get_by_text("begins with")).to_be_visible()


def test_a_failed_run_says_why_and_how_to_try_again(
    owner: Visit, served: Served, actor: Actor, dataset: str
) -> None:
    run_id = train(served, actor, "too-large", dataset, pool="far-away", batch_size=8)
    with served.services.database.transaction() as db:
        job = db.get_one(Job, run_id)
        job.status = "failed"
        job.error = {"reason": "out_of_memory", "message": "<b>too much</b>", "hint": "less"}
    page = owner.open(f"/runs/{run_id}")
    expect(page.get_by_role("alert")).to_contain_text("Out of memory")
    expect(page.get_by_role("alert")).to_contain_text("<b>too much</b>")
    page.get_by_role("link", name="Try again with training.batch_size=4").click()
    expect(page.locator("[id='training.batch_size']")).to_have_value("4")
    expect(page.locator("[id='training.gradient_accumulation']")).to_have_value("2")


def test_ten_thousand_points_stay_smooth(
    owner: Visit, served: Served, actor: Actor, dataset: str
) -> None:
    run_id = train(served, actor, "long-run", dataset, epochs=1)
    wait_for(served, actor, run_id, "succeeded")
    path = events_of(served, run_id)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    step = next(line for line in lines if line["kind"] == "step")
    many = [{**step, "seq": n, "step": n, "loss": 3 / n**0.2} for n in range(1, _NUM_POINTS + 1)]
    path.write_text("".join(json.dumps(each) + "\n" for each in many), "utf-8")
    page = owner.open(f"/runs/{run_id}")
    expect(page.locator("#run")).to_have_attribute("data-steps", str(_NUM_POINTS))
    chart = page.locator("[data-chart=loss]")
    expect(chart).to_have_attribute("data-points", str(2 * _NUM_POINTS))
    weights = ("0.8", "0.9", "0.95")
    metrics = measure(page)
    begun = metrics()["TaskDuration"]
    for weight in weights:
        chart.evaluate("chart => delete chart.dataset.drawMs")
        page.locator("#smoothing").fill(weight)
        expect(chart).to_have_attribute("data-draw-ms", re.compile(r"\d"))
    took = (metrics()["TaskDuration"] - begun) / len(weights)
    print(f"an update of {2 * _NUM_POINTS} points takes {1000 * took:.0f} ms")
    assert took < 0.5

    canvas = chart.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    hovering = metrics()["TaskDuration"]
    for place in range(_NUM_MOVES):  # each move shows another point, with what it is
        x = box["x"] + box["width"] * (0.2 + 0.6 * place / _NUM_MOVES)
        page.mouse.move(x, box["y"] + box["height"] / 2)
        page.evaluate(_NEXT_FRAME)
    zooming = metrics()["TaskDuration"]
    for turn in range(_NUM_MOVES):  # far into the curve, and out again
        page.mouse.wheel(0, -100 if turn < _NUM_MOVES / 2 else 100)
        page.evaluate(_NEXT_FRAME)
    done = metrics()["TaskDuration"]
    hovered, zoomed = (zooming - hovering) / _NUM_MOVES, (done - zooming) / _NUM_MOVES
    print(f"a move of the pointer takes {1000 * hovered:.0f} ms, of the wheel {1000 * zoomed:.0f}")
    assert hovered < _MOST_SECONDS_A_FRAME
    assert zoomed < _MOST_SECONDS_A_FRAME


def test_an_outlier_does_not_press_a_curve_flat(
    owner: Visit, served: Served, actor: Actor, dataset: str
) -> None:
    run_id = train(served, actor, "with-a-spike", dataset, epochs=1)
    wait_for(served, actor, run_id, "succeeded")
    path = events_of(served, run_id)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    step = next(line for line in lines if line["kind"] == "step")
    steps = [{**step, "seq": n, "step": n, "loss": 900 if n == 7 else 3} for n in range(1, 101)]
    path.write_text("".join(json.dumps(each) + "\n" for each in steps), "utf-8")
    page = owner.open(f"/runs/{run_id}")
    expect(page.locator("#run")).to_have_attribute("data-steps", "100")
    page.locator("#smoothing").fill("0")
    chart = page.locator("[data-chart=loss]")
    expect(chart).to_have_attribute("data-points", "100")
    expect(chart).to_have_attribute("data-top", "")
    page.get_by_label("Outliers").select_option("0.99")
    expect(chart).to_have_attribute("data-top", "3")


# --- all runs --------------------------------------------------------------------------------


def test_runs_are_found_compared_and_their_queue_is_put_in_order(
    owner: Visit, served: Served, actor: Actor, dataset: str, finished: str
) -> None:
    for name in ("ordered-first", "ordered-second"):
        train(served, actor, name, dataset, pool="far-away", learning_rate=1e-3)
    page = owner.open("/runs?text=ordered")
    rows = page.locator("#queue tr", has_text="ordered-")
    expect(rows.first).to_contain_text("ordered-first")
    rows.last.get_by_label("First").click()
    expect(rows.first).to_contain_text("ordered-second")

    page.get_by_label("Name").fill("ended-w")
    expect(page.locator("#list tbody tr").first).to_contain_text("ended-well")
    page.get_by_label("Name").fill("")
    page.get_by_label("State").select_option("queued")
    expect(page.locator("#list tbody")).not_to_contain_text("ended-well")

    page.goto(f"{served.address}/runs?dataset={dataset}")
    for name in ("ordered-first", "ordered-second"):
        page.get_by_role("checkbox", name=name).check()
    page.get_by_role("button", name="Compare the chosen").click()
    differences = page.locator("#differences")
    expect(differences).to_contain_text("name")
    expect(differences).not_to_contain_text("training.epochs")
    expect(page.locator("#overlay canvas")).to_be_visible()


def test_two_tenants_train_at_once_and_see_only_their_own(
    browser: Browser, served: Served, actor: Actor, dataset: str
) -> None:
    key = served.add_member("neighbour@example.org", tenant="next-door")
    other = actor_of(served, key)
    add_dataset(served, other, "their-rows")
    mine = train(served, actor, "mine-of-two", dataset, epochs=2)
    theirs = train(served, other, "theirs-of-two", "their-rows", epochs=2)
    with visiting(browser, served) as visit, visiting(browser, served) as neighbour:
        visit.log_in()
        neighbour.log_in(email="neighbour@example.org", password=PASSWORD)
        pages = [visit.open(f"/runs/{mine}"), neighbour.open(f"/runs/{theirs}")]
        for page in pages:
            expect(page.locator("#head")).to_contain_text("succeeded", timeout=_LONG)
        foreign = visit.open(f"/runs/{theirs}")
        expect(foreign.get_by_role("heading")).to_contain_text("there is no")
        listed = visit.open("/runs?text=of-two").locator("#list")
        expect(listed).to_contain_text("mine-of-two")
        expect(listed).not_to_contain_text("theirs-of-two")
