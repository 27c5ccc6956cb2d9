"""Datasets in a real browser: from a file on the disk to its tokens, and back out."""

import json
import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.api.serving import PASSWORD, Served
from tests.console.filling import add_dataset, upload
from tests.console.visitors import Visit, arrive, settle, visiting
from tests.console.xss import ATTACKS, assert_unharmed


def _pairs(count: int) -> list[dict[str, str]]:
    return [{"prompt": f"What is {n} + 1?", "completion": f"It is {n + 1}."} for n in range(count)]


def test_a_file_with_columns_of_its_own_becomes_a_dataset(owner: Visit, tmp_path: Path) -> None:
    rows = [{"frage": f"Wie viel ist {n}?", "antwort": f"{n}."} for n in range(30)]
    rows[3]["antwort"] = " "
    path = tmp_path / "meine daten.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    page = owner.open("/datasets/new")
    page.locator("#upload-file").set_input_files(path)
    arrive(page, page.get_by_role("alert").get_by_text("fit no format"))
    expect(page.locator("#name")).to_have_value("meine-daten")

    for choice, column in (("format", "prompt-completion"), ("map-prompt", "frage")):
        page.locator(f"#{choice}").select_option(column)
        settle(page)
    page.locator("#map-completion").select_option("antwort")
    expect(page.locator(".bubble-user").first).to_contain_text("Wie viel ist 0?")
    expect(page.locator(".text-danger")).to_contain_text("antwort is blank")

    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_contain_text("1 of 30 rows are no examples")
    page.get_by_role("link", name="Change how it is read").click()
    arrive(page, page.locator("#map-prompt"))
    expect(page.locator("#map-prompt")).to_have_value("frage")
    page.locator("#max_rejected_percent").fill("5")
    page.get_by_role("button", name="Import").click()

    expect(page).to_have_url(re.compile("/datasets/meine-daten/rows"))
    expect(page.get_by_text("Wie viel ist 0?", exact=True)).to_be_visible()
    page.get_by_role("link", name="Left out").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("antwort")
    found = owner.open("/datasets?search=MEINE").get_by_role("link", name="meine-daten")
    expect(found).to_have_count(1)


def test_an_upload_that_is_refused_says_why(owner: Visit, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n")
    page = owner.open("/datasets/new")
    page.locator("#upload-file").set_input_files(path)
    arrive(page, page.get_by_role("alert").get_by_text("picture.png"))
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert").last).to_contain_text("picture.png")


def test_an_address_is_imported_or_says_why_not(owner: Visit) -> None:
    page = owner.open("/datasets/new")
    page.locator("#url").fill("http://127.0.0.1:9/rows.jsonl")
    page.get_by_role("button", name="Go on").click()
    arrive(page, page.locator("#name"))
    expect(page.locator("#name")).to_have_value("rows")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_contain_text("127.0.0.1")


def test_tokens_show_what_is_trained_and_what_is_cut(owner: Visit) -> None:
    add_dataset(owner.served, "tokens", _pairs(3))
    page = owner.open("/datasets/tokens/tokens")
    page.locator("#max_length").fill("40")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".tokens").first).to_be_visible()
    settle(page)
    trained = page.locator(".tokens").first.locator(".token-trained, .token-cut")
    assert "It is 1." in "".join(trained.all_inner_texts()).replace("⏎", "")
    expect(page.locator(".token-cut").first).to_be_attached()
    first = page.locator(".tokens").first.locator(".token").first
    expect(first).to_have_attribute("title", re.compile("^1 · "))


def test_figures_versions_and_lineage(owner: Visit) -> None:
    add_dataset(owner.served, "growing", _pairs(40))
    add_dataset(owner.served, "growing", _pairs(50)[5:])
    page = owner.open("/datasets/growing/statistics")
    expect(page.locator("bar-chart canvas")).to_be_visible()
    expect(page.get_by_role("cell", name="duplicates")).to_be_visible()

    page.get_by_role("link", name="Versions").click()
    arrive(page, page.get_by_role("button", name="Compare"))
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#difference")).to_contain_text("+10 only in the newer")
    expect(page.locator("#difference")).to_contain_text("−5 only in the older")
    expect(page.locator("#difference")).to_contain_text("35 in both")

    page.get_by_role("link", name="Lineage").click()
    expect(page.locator(".flow")).to_contain_text("growing.jsonl")


def test_a_dataset_is_split_exported_and_deleted(owner: Visit) -> None:
    add_dataset(owner.served, "whole", _pairs(40))
    page = owner.open("/datasets/whole/rows")
    page.get_by_role("button", name="Split").click()
    page.locator("#percent").fill("25")
    page.locator(".modal").get_by_role("button", name="Split").click()
    expect(page).to_have_url(re.compile("/datasets/whole-train/rows"))
    arrive(page, page.locator(".page-header", has_text="30 examples"))

    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="alpaca").click()
    lines = Path(download.value.path()).read_text("utf-8").splitlines()
    assert len(lines) == 30
    assert download.value.suggested_filename == "whole-train.alpaca.jsonl"

    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile("/datasets$"))
    expect(page.get_by_role("link", name="whole-train", exact=True)).to_have_count(0)


def test_ten_thousand_rows_are_paged_quickly(owner: Visit) -> None:
    add_dataset(owner.served, "many", _pairs(10_000))
    page = owner.open("/datasets/many/rows")
    expect(page.locator(".list-group-item")).to_have_count(20)
    page.get_by_label("Number to go to").fill("9981")
    page.keyboard.press("Enter")
    expect(page.get_by_text("It is 10000.")).to_be_visible()
    expect(page.get_by_role("link", name="Next")).to_have_class(re.compile("disabled"))
    begun = owner.served.cpu_seconds("server")
    for first in (1, 5001, 9981, 2501, 7501):
        answer = page.request.get(f"{owner.served.address}/datasets/many/rows?first={first}")
        assert answer.ok
    assert owner.served.cpu_seconds("server") - begun < 5 * 0.5  # at rest a page takes 0.02 s


def test_what_data_says_is_never_more_than_text(owner: Visit) -> None:
    """Names of files and columns, texts, roles, labels, reasons: the corpus is everywhere."""
    half = len(ATTACKS) // 2
    rows: list[object] = [
        {"messages": [{"role": "user", "content": a}, {"role": "assistant", "content": b}]}
        for a, b in zip(ATTACKS[:half], ATTACKS[half:], strict=False)
    ]
    rows += [{"messages": [{"role": attack, "content": "x"}]} for attack in ATTACKS]
    rows += [{"messages": [{"role": "user", attack: "x"}]} for attack in ATTACKS[::4]]
    add_dataset(owner.served, "attacks", rows, max_rejected_percent=90)
    for first in range(1, half, 20):
        page = owner.open(f"/datasets/attacks/rows?first={first}")
        assert_unharmed(page)
    expect(owner.open("/datasets/attacks/rows").locator(".bubble-user").first).to_contain_text(
        ATTACKS[0]
    )
    for first in range(1, len(ATTACKS) + len(ATTACKS[::4]), 40):
        assert_unharmed(owner.open(f"/datasets/attacks/left-out?first={first}"))
    columns = {attack: attack for attack in ATTACKS}
    file = upload(owner.served, [columns], filename=f"{ATTACKS[0]}.jsonl")
    page = owner.open(f"/datasets/new?file={file.id}&format=alpaca")
    expect(page.get_by_role("heading", name="The first rows")).to_be_visible()
    assert_unharmed(page)
    page = owner.open("/datasets/attacks/tokens")
    page.locator("#limit").fill("10")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".tokens").first).to_be_visible()
    assert_unharmed(page)
    page = owner.open("/datasets/attacks/statistics")
    expect(page.locator("bar-chart canvas")).to_be_visible()
    assert_unharmed(page)


def test_who_only_reads_is_offered_no_change(browser: Browser, served: Served) -> None:
    add_dataset(served, "seen", _pairs(2))
    served.add_member("reader-of-data@example.org", role="viewer")
    with visiting(browser, served) as visit:
        visit.log_in(email="reader-of-data@example.org", password=PASSWORD)
        page = visit.open("/datasets")
        expect(page.get_by_role("link", name="seen", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="New dataset")).to_have_count(0)
        page = visit.open("/datasets/seen/rows")
        expect(page.get_by_role("button", name="Delete")).to_have_count(0)
        expect(visit.open("/datasets/new").get_by_text("403")).to_have_count(1)


def test_the_sample_is_one_click_in_chinese(browser: Browser, served: Served) -> None:
    served.add_member("new@example.org", tenant="newcomers")
    with visiting(browser, served, language="zh") as visit:
        visit.log_in(email="new@example.org", password=PASSWORD)
        page = visit.open("/")
        page.get_by_role("button", name="使用示例").click()
        expect(page).to_have_url(re.compile("/datasets/sample/rows"))
        expect(page.get_by_role("link", name="词元")).to_be_visible()
        expect(page.locator(".bubble-assistant").first).to_contain_text("intent")
