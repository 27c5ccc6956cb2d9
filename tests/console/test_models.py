"""The registry in a real browser."""

import re
import shutil
import tarfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.api.serving import BASE, PASSWORD, Served
from tests.console.filling import add_dataset, add_model
from tests.console.visitors import Visit, arrive, visiting
from tests.console.xss import ATTACKS, assert_unharmed
from tests.serving.adapters import make_adapter

JOB_MILLISECONDS = 60_000


@pytest.fixture(scope="module")
def trained(served: Served) -> str:
    """A model that a real training of a few steps made; its name."""
    rows = [{"prompt": f"Say {n}.", "completion": f"{n}"} for n in range(12)]
    add_dataset(served, "lessons", rows)
    return add_model(served, "pupil", dataset="lessons")


def test_a_model_is_named_described_and_aliased(owner: Visit, trained: str) -> None:
    page = owner.open("/models")
    page.get_by_role("link", name=trained).click()
    arrive(page, page.locator(".flow", has_text="lessons"))
    expect(page.locator(".flow")).to_contain_text(BASE)

    page.locator("#description").fill(f"first try {ATTACKS[0]}")
    with page.expect_navigation():
        page.get_by_role("button", name="Save").click()
    page.get_by_label("Alias").fill("prod")
    page.get_by_role("button", name="Point it here").click()
    arrive(page, page.locator(".flow", has_text="prod"))
    expect(page.locator("#alias-history circle")).to_have_count(1)
    page.locator("#alias-history summary").click()
    expect(page.locator("#alias-history li")).to_contain_text(f"prod: new → {trained}@1")
    expect(page.locator("#description")).to_have_value(f"first try {ATTACKS[0]}")
    assert_unharmed(page)

    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert")).to_contain_text("is used by the alias prod")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    with tarfile.open(Path(download.value.path())) as archive:
        assert any(name.endswith("manifest.json") for name in archive.getnames())

    page.get_by_label("Remove prod").click()
    expect(page.get_by_label("Remove prod")).to_have_count(0)
    owner.open("/models")
    assert_unharmed(page)


def test_a_model_made_elsewhere_is_imported_or_says_why_not(
    owner: Visit, served: Served, tmp_path: Path
) -> None:
    base = served.services.installation.models / BASE
    make_adapter(base, tmp_path / "made", kind="lora", seed=1)
    sound = shutil.make_archive(str(tmp_path / "sound"), "zip", tmp_path / "made")
    (tmp_path / "made" / "adapter_model.safetensors").write_bytes(b"nothing")
    damaged = shutil.make_archive(str(tmp_path / "damaged"), "zip", tmp_path / "made")

    def bring(archive: str, name: str) -> None:
        page = owner.open("/models")
        page.get_by_role("link", name="Import a model").click()
        page.locator("#upload-file").set_input_files(archive)
        arrive(page, page.get_by_label("Name"))
        page.get_by_label("Name").fill(name)
        page.get_by_label("Base model of an adapter").select_option(BASE)
        page.get_by_role("button", name="Import").click()

    bring(damaged, "broken")
    refused = owner.page.locator("#imports").get_by_role("alert")
    expect(refused).to_contain_text("cannot be read", timeout=JOB_MILLISECONDS)
    bring(sound, "guest")
    row = owner.page.locator("tr", has_text="guest")
    expect(row).to_contain_text(BASE, timeout=JOB_MILLISECONDS)
    expect(row).to_contain_text("adapter")
    row.get_by_role("link", name="guest").click()
    expect(owner.page.locator(".flow")).to_contain_text("sound.zip")


def test_base_models_say_whether_they_are_here(owner: Visit) -> None:
    page = owner.open("/models")
    row = page.locator("#bases tr", has_text=BASE).first
    expect(row).to_contain_text("ready")


def test_who_only_reads_sees_models_in_chinese(
    browser: Browser, served: Served, trained: str
) -> None:
    served.add_member("reader-of-models@example.org", role="viewer")
    with visiting(browser, served, language="zh") as visit:
        visit.log_in(email="reader-of-models@example.org", password=PASSWORD)
        page = visit.open("/models")
        expect(page.get_by_role("heading", name="基座模型")).to_be_visible()
        page.get_by_role("link", name=trained).click()
        expect(page).to_have_url(re.compile("/models/"))
        arrive(page, page.locator(".flow"))
        expect(page.get_by_role("button", name="删除")).to_have_count(0)
        expect(page.locator("form[hx-post]")).to_have_count(0)
