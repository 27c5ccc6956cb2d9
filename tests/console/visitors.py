"""People in front of a browser. Whatever their pages complain about fails the test."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.api.serving import OWNER, PASSWORD, Served

PATIENCE = 15_000  # milliseconds; real trainings wait longer, in the tests that train
expect.set_options(timeout=PATIENCE)


def arrive(page: Page, sight: Locator) -> None:
    """Wait for the page that a click leads to, by what is seen there, and for its scripts.

    A page is seen before they have come, and what is clicked or pressed until then is lost.
    """
    expect(sight).to_be_visible()
    page.wait_for_load_state()


def settle(page: Page) -> None:
    """Wait until htmx has put in what it asked for: what it replaces forgets what is done to it."""
    expect(page.locator(".htmx-request")).to_have_count(0)


def measure(page: Page) -> Callable[[], Mapping[str, float]]:
    """What the page's own thread has done since now, whenever it is asked; see CDP's Performance.

    It counts time of the processor, however busy the machine is, and only while the session lasts.
    """
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def metrics() -> Mapping[str, float]:
        found = tools.send("Performance.getMetrics")["metrics"]
        return {each["name"]: each["value"] for each in found}

    return metrics


@dataclass
class Visit:
    """A browser of its own, with its page. `complaints` is what the page's console said."""

    served: Served
    page: Page
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Open a page of the console."""
        self.page.goto(f"{self.served.address}{path}")
        return self.page

    def log_in(
        self, *, email: str = OWNER, password: str = PASSWORD, as_operator: bool = False
    ) -> None:
        """Log in by the form, as people do."""
        self.open("/login")
        self.page.locator("#email").fill(email)
        self.page.locator("#password").fill(password)
        if as_operator:
            self.page.locator("summary").click()
            self.page.locator("#operator").check()
        self.page.locator("button[type=submit]").click()
        expect(self.page.locator("aside")).to_be_visible()


@contextmanager
def visiting(
    browser: Browser,
    served: Served,
    *,
    language: str = "en",
    dark: bool = False,
    size: tuple[int, int] = (1280, 800),
) -> Generator[Visit]:
    """A visitor's browser; at its end no page may have complained.

    A refused request (4xx) is an answer that a test may want, and no complaint of the page.
    """
    context = browser.new_context(
        locale={"en": "en-US", "zh": "zh-CN"}[language],
        color_scheme="dark" if dark else "light",
        viewport={"width": size[0], "height": size[1]},
    )
    context.set_default_timeout(PATIENCE)
    visit = Visit(served, context.new_page())

    def note(message: ConsoleMessage) -> None:
        refused = message.text.startswith("Failed to load resource: the server responded with")
        if message.type in ("error", "warning") and not refused:
            visit.complaints.append(message.text)

    context.on("console", note)
    context.on("weberror", lambda error: visit.complaints.append(str(error.error)))
    try:
        yield visit
    finally:
        context.close()
    assert visit.complaints == []
