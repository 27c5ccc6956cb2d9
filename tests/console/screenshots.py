"""`make screenshots`: every page of the console, light and dark, wide and narrow.

A real service is started and filled by use cases; only answers that its tiny model has no words for
are put in. Pictures go to docs/screenshots. To see some whole pages, in some looks:
`python -m tests.console.screenshots run chat --looks narrow-dark-zh --whole --folder DIR`.
"""

import argparse
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from typing import Literal, TypeAlias

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.api.serving import BASE, Served, serving
from tests.console.answering import CLERK, POET, answering
from tests.console.conftest import CHROMIUM
from tests.console.filling import fill
from tests.console.filling_chats import fill_chats
from tests.console.visitors import Visit, visiting

_KEPT = Path("docs/screenshots")
_WIDE = (1280, 800)
_NARROW = (390, 844)
_SETTLING = 300  # milliseconds until charts have drawn what came
_LONGEST = 60_000  # milliseconds that what is pressed may take
_NUM_COLORS = 256  # enough for a page, and half the bytes
_SCROLL = "element => element.scrollIntoView({ behavior: 'instant', block: 'center' })"
_NEWCOMER = "newcomer@example.org"  # owns a tenant in which nothing is yet

Who: TypeAlias = Literal["nobody", "owner", "newcomer", "operator"]


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    language: str
    dark: bool
    size: tuple[int, int]

    @property
    def name(self) -> str:
        """Such as `wide-light-en`."""
        size = "wide" if self.size == _WIDE else "narrow"
        return f"{size}-{'dark' if self.dark else 'light'}-{self.language}"


LOOKS: Mapping[str, Look] = {
    look.name: look
    for look in (Look(*each) for each in product(("en", "zh"), (False, True), (_WIDE, _NARROW)))
}
# Every page is kept in these; in the others those that show what the console is for.
_ALWAYS = tuple(name for name, look in LOOKS.items() if look.language == "en")
_CHOSEN = ("home", "datasets", "dataset-import", "train", "run", "runs", "chat", "deployments")


@dataclass(frozen=True)
class Shot:
    """A page to take a picture of.

    Attributes:
        address: with the names of ids that `fill` made.
        who: logs in before.
        press: what is clicked, and what then appears.
        show: what is scrolled to.
    """

    address: str
    who: Who = "owner"
    press: tuple[str, str] | None = None
    show: str | None = None


# Each page by the name of its picture; those of one person stand together.
PAGES: Mapping[str, Shot] = {
    "login": Shot("/login", "nobody"),
    "new-home": Shot("/", "newcomer"),
    "new-datasets": Shot("/datasets", "newcomer"),
    "new-train": Shot("/train", "newcomer"),
    "new-runs": Shot("/runs", "newcomer"),
    "new-models": Shot("/models", "newcomer"),
    "new-chat": Shot("/chat", "newcomer"),
    "new-comparisons": Shot("/comparisons", "newcomer"),
    "new-chat-votes": Shot("/comparisons/chats", "newcomer"),
    "new-deployments": Shot("/deployments", "newcomer"),
    "home": Shot("/"),
    "datasets": Shot("/datasets"),
    "dataset-new": Shot("/datasets/new"),
    "dataset-import": Shot(
        "/datasets/new?file={file}&format=question-answer&map.question=frage&map.answer=antwort"
    ),
    "dataset-rows": Shot("/datasets/sample/rows"),
    "dataset-many-rows": Shot("/datasets/{many_rows}/rows?first=9981"),
    "dataset-left-out": Shot("/datasets/tickets-as-exported/left-out"),
    "dataset-tokens": Shot(
        "/datasets/sample/tokens", press=("form[hx-post$='/tokens'] button", ".tokens")
    ),
    "dataset-statistics": Shot("/datasets/sample/statistics"),
    "dataset-versions": Shot("/datasets/客服问答-2026/versions"),
    "dataset-lineage": Shot("/datasets/客服问答-2026/lineage"),
    "train": Shot("/train?run={run}"),
    "train-checked": Shot(
        "/train?run={run}", press=("#check button", "[data-checked]"), show="#preview"
    ),
    "runs": Shot("/runs"),
    "runs-compared": Shot("/runs/compare?run={run}&run={other_run}"),
    "run": Shot("/runs/{run}"),
    "run-answers": Shot("/runs/{watched_run}", show="#samples"),
    "run-renamed": Shot("/runs/{run}", press=("#head [aria-controls=rename]", "#rename.show")),
    "run-failed": Shot("/runs/{failed_run}"),
    "models": Shot("/models"),
    "model": Shot("/models/{model}"),
    "model-import": Shot("/models/new"),
    "chat": Shot(f"/chat?model={BASE}&model={POET}&model={CLERK}"),
    "chat-kept": Shot("/chat?transcript={transcript}"),
    "characters": Shot("/chat/characters"),
    "character": Shot("/chat/characters/{character}"),
    "character-new": Shot("/chat/characters/new"),
    "prompts": Shot("/chat/prompts"),
    "prompt": Shot("/chat/prompts/{prompt}"),
    "transcripts": Shot("/chat/transcripts"),
    "transcript": Shot("/chat/transcripts/{transcript}"),
    "comparisons": Shot("/comparisons"),
    "comparison-new": Shot("/comparisons/new"),
    "comparison": Shot("/comparisons/{comparison}"),
    "comparison-vote": Shot("/comparisons/{comparison}/vote"),
    "chat-votes": Shot("/comparisons/chats"),
    "evaluations": Shot("/evaluations"),
    "deployments": Shot("/deployments"),
    "deployment": Shot("/deployments/{deployment}"),
    "requests": Shot("/deployments/requests"),
    "settings-members": Shot("/settings/members"),
    "settings-keys": Shot("/settings/keys"),
    "settings-machines": Shot("/settings/machines"),
    "settings-notifications": Shot("/settings/notifications"),
    "settings-usage": Shot("/settings/usage"),
    "settings-password": Shot("/settings/password"),
    "settings-audit": Shot("/settings/audit"),
    "error": Shot("/runs/ftjob-of-somebody-else"),
    "operator-tenants": Shot("/settings/tenants", "operator"),
    "operator-people": Shot("/settings/people", "operator"),
    "operator-prices": Shot("/settings/prices", "operator"),
    "operator-log": Shot("/settings/log", "operator"),
}


def main() -> None:
    """Take the pictures that are kept, or those of some pages and looks."""
    parser = argparse.ArgumentParser(prog="python -m tests.console.screenshots")
    parser.add_argument("pages", nargs="*", metavar="page", help="by name; all by default")
    parser.add_argument("--looks", nargs="+", choices=LOOKS, help="the usual ones by default")
    parser.add_argument("--whole", action="store_true", help="pages to their end")
    parser.add_argument("--folder", type=Path, default=_KEPT)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), "server", "worker") as served,
        sync_playwright() as playwright,
        answering(served, Path(folder) / "adapters") as deployer,
    ):
        served.add_member(_NEWCOMER, tenant="newcomers")
        made = {**fill(served), **fill_chats(served, deployer)}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for look in arguments.looks or LOOKS:
            usual = PAGES if arguments.looks or look in _ALWAYS else _CHOSEN
            names = [name for name in PAGES if name in (arguments.pages or usual)]
            take_all(browser, served, names, LOOKS[look], made, arguments.folder, arguments.whole)


def take_all(
    browser: Browser,
    served: Served,
    names: Sequence[str],
    look: Look,
    made: Mapping[str, str],
    folder: Path,
    whole: bool,
) -> None:
    """Pictures of pages in one look."""
    for who, theirs in groupby(names, key=lambda name: PAGES[name].who):
        with visiting(
            browser, served, language=look.language, dark=look.dark, size=look.size
        ) as visit:
            _LOGINS[who](visit)
            for name in theirs:
                take(visit, PAGES[name], made, folder / f"{name}-{look.name}.png", whole=whole)


_LOGINS: Mapping[Who, Callable[[Visit], None]] = {
    "nobody": lambda visit: None,
    "owner": Visit.log_in,
    "newcomer": lambda visit: visit.log_in(email=_NEWCOMER),
    "operator": lambda visit: visit.log_in(as_operator=True),
}


def take(visit: Visit, shot: Shot, made: Mapping[str, str], picture: Path, *, whole: bool) -> None:
    """One picture of a page as it is when nothing is loading any more."""
    page = visit.open(shot.address.format(**made))
    if shot.press:
        button, result = shot.press
        page.locator(button).click()
        page.locator(result).first.wait_for(timeout=_LONGEST)
    page.wait_for_load_state("networkidle")
    if shot.show:
        page.locator(shot.show).evaluate(_SCROLL)
    page.wait_for_timeout(_SETTLING)
    image = Image.open(io.BytesIO(page.screenshot(full_page=whole))).convert("RGB")
    image.quantize(_NUM_COLORS, Image.Quantize.MAXCOVERAGE, kmeans=1).save(picture, optimize=True)


if __name__ == "__main__":
    main()
