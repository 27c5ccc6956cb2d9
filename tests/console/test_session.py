"""Logging in and out, language and theme, in a real browser."""

import pytest
from playwright.sync_api import Browser, expect

from tests.api.serving import Served
from tests.console.visitors import Visit, arrive, visiting


def test_who_is_not_logged_in_comes_back_to_where_they_wanted_to_go(
    browser: Browser, served: Served
) -> None:
    with visiting(browser, served) as visit:
        page = visit.open("/?from=mail")
        assert page.url.endswith("/login?next=/%3Ffrom%3Dmail")
        page.locator("#email").fill("owner@example.org")
        page.locator("#password").fill("not the password")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("e-mail or password are wrong")
        page.locator("#password").fill("a password of tests")
        page.keyboard.press("Enter")
        expect(page.locator("aside")).to_be_visible()
        assert page.url == f"{served.address}/?from=mail"


@pytest.mark.parametrize("next", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_a_login_leads_to_no_other_website(browser: Browser, served: Served, next: str) -> None:
    with visiting(browser, served) as visit:
        page = visit.open(f"/login?next={next}")
        page.locator("#email").fill("owner@example.org")
        page.locator("#password").fill("a password of tests")
        page.keyboard.press("Enter")
        expect(page.locator("aside")).to_be_visible()
        assert page.url == f"{served.address}/"


def test_language_and_theme_are_kept(owner: Visit) -> None:
    page = owner.open("/")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    page.get_by_label("Language").click()
    page.get_by_role("button", name="中文").click()
    arrive(page, page.get_by_role("heading", name="首页"))
    page.get_by_label("深色").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    expect(page.locator("html")).to_have_attribute("lang", "zh")


def test_logging_out_ends_the_session(owner: Visit) -> None:
    page = owner.open("/")
    page.get_by_text("owner@example.org").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#password")).to_be_visible()
    owner.open("/")
    expect(page.locator("#password")).to_be_visible()
