"""The first page: a newcomer's way from the sample to a chat, and what runs there are."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.api.serving import BASE, PASSWORD, Served
from tests.console.visitors import visiting

pytestmark = pytest.mark.timeout(300)

_LONG = 90_000  # milliseconds that a training may take on a machine that does other things


def test_a_newcomer_is_led_from_the_sample_to_a_chat(browser: Browser, served: Served) -> None:
    served.add_member("first@example.org", tenant="first-model")
    with visiting(browser, served) as visit:
        visit.log_in(email="first@example.org", password=PASSWORD)
        page = visit.page
        page.get_by_role("button", name="Use the sample").click()
        page.wait_for_url("**/datasets/sample/rows", timeout=_LONG)

        visit.open("/")
        page.locator("#content").get_by_role("link", name="Train a model").click()
        expect(page.locator("[data-ready=yes]")).to_be_visible()
        expect(page.locator("#name")).to_have_value("sample-tuned")
        expect(page.locator("#preset")).to_have_value("fast")
        expect(page.locator("#dataset")).to_have_value("sample")
        page.locator("#dataset").fill("sample x 0.05")  # so that the test does not take long
        expect(page.locator("#preview dd").first).to_have_text("5")
        page.get_by_role("button", name="Start training").click()
        page.wait_for_url("**/runs/ftjob-*")

        visit.open("/")
        page.get_by_role("link", name="Watch it").click()
        expect(page.locator("#head")).to_contain_text("succeeded", timeout=_LONG)

        visit.open("/")
        latest = page.locator("#latest")
        expect(latest.get_by_role("img", name=re.compile("Loss from .* to .*"))).to_be_visible()
        page.locator("#content").get_by_role("link", name="Chat").click()
        models = page.locator('[data-part="model"]')
        expect(models.nth(0)).to_have_value("sample-tuned@1")
        expect(models.nth(1)).to_have_value(BASE)

        visit.open("/")
        latest.get_by_role("link", name="1 succeeded").click()
        expect(page.locator("#list tbody tr")).to_have_count(1)
        expect(page.get_by_label("State")).to_have_value("succeeded")
