"""Settings of a tenant, and of the installation, in a real browser."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.api.serving import OWNER, PASSWORD, Served
from tests.console.visitors import Visit, arrive, visiting
from tests.console.xss import ATTACKS, assert_unharmed
from tunesmith.service import audit
from tunesmith.service.access import authenticate


def _agree(page: Page) -> None:
    page.on("dialog", lambda dialog: dialog.accept())


def test_members_come_get_a_role_and_go(owner: Visit) -> None:
    page = owner.open("/settings")
    expect(page).to_have_url(re.compile("/settings/members$"))
    page.locator("#email").fill("amy@example.org")
    page.locator("#first-password").fill(PASSWORD)
    page.get_by_role("button", name="Add").click()
    row = page.get_by_role("row", name="amy@example.org")
    row.get_by_role("combobox").select_option("viewer")
    expect(page.get_by_role("status")).to_contain_text("The role is changed.")
    expect(owner.open("/settings/members").get_by_label("Role amy@example.org")).to_have_value(
        "viewer"
    )
    _agree(page)
    page.get_by_label("Remove amy@example.org").click()
    expect(row).to_have_count(0)
    page.get_by_label(f"Remove {OWNER}").click()
    expect(page.get_by_role("alert")).to_contain_text("a tenant needs an owner")


def test_a_key_is_shown_once_works_and_ends(owner: Visit) -> None:
    page = owner.open("/settings/keys")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#name").fill("notebook")
    page.get_by_label("manage the team").uncheck()
    page.get_by_role("button", name="Make").click()
    secret = page.locator("#secret").input_value()
    actor = authenticate(owner.served.services, secret)
    assert actor is not None
    assert not actor.may("manage")  # type: ignore[arg-type]
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret

    _agree(page)
    row = page.get_by_role("row", name="notebook")
    row.get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
    assert authenticate(owner.served.services, secret) is None
    assert secret not in owner.open("/settings/keys").content()


def test_channels_are_tried_and_hear_of_all(owner: Visit) -> None:
    page = owner.open("/settings/notifications")
    page.locator("#name").fill("ops")
    page.locator("#url").fill("json://127.0.0.1:9/")
    page.get_by_role("button", name="Add").click()
    row = page.get_by_role("row", name="ops")
    expect(row.get_by_role("checkbox")).to_be_checked()
    row.get_by_role("button", name="Try it").click()
    expect(page.locator("#told")).to_contain_text("which is not public")
    row.get_by_role("checkbox").uncheck()
    expect(page.get_by_role("status")).to_contain_text("It hears of those that name it.")
    row.get_by_role("button", name="Messages").click()
    expect(page.locator("#told")).to_contain_text("Nothing was sent yet")
    _agree(page)
    row.get_by_label("Remove ops").click()
    expect(page.get_by_text("No channel yet")).to_be_visible()


def test_machines_usage_and_the_log(owner: Visit) -> None:
    page = owner.open("/settings/machines")
    expect(page.get_by_role("cell", name="default").first).to_be_visible()
    expect(page.get_by_text("alive").first).to_be_visible()
    expect(owner.open("/settings/usage").get_by_text("Uploaded files").first).to_be_visible()
    page = owner.open("/settings/audit")
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("status")).to_contain_text("The log is as it was written")


def test_a_password_is_changed(browser: Browser, served: Served) -> None:
    served.add_member("pat@example.org", role="member")
    with visiting(browser, served) as visit:
        visit.log_in(email="pat@example.org", password=PASSWORD)
        page = visit.open("/settings/password")
        page.locator("#old").fill("not mine at all")
        page.locator("#new").fill("another password")
        page.get_by_role("button", name="Change").click()
        expect(page.get_by_role("alert")).to_contain_text("the old password is wrong")
        page.locator("#old").fill(PASSWORD)
        page.get_by_role("button", name="Change").click()
        expect(page.get_by_role("status")).to_contain_text("The password is changed.")
    with visiting(browser, served) as visit:
        visit.log_in(email="pat@example.org", password="another password")


def test_the_operator_makes_tenants_sets_prices_and_sees_all(
    browser: Browser, served: Served
) -> None:
    with visiting(browser, served) as visit:
        page = visit.open("/login")
        page.locator("#email").fill(OWNER)
        page.locator("#password").fill(PASSWORD)
        page.get_by_text("or operate the installation").click()
        page.get_by_label("Log in as the operator").check()
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(re.compile("/settings/tenants$"))
        arrive(page, page.locator("#owner"))
        expect(page.locator("aside .nav-link")).to_have_count(1)

        page.locator("#name").fill("globex")
        page.locator("#owner").fill("gil@example.org")
        page.locator("#first-password").fill(PASSWORD)
        page.get_by_role("button", name="Add").click()
        arrive(page, page.locator("summary", has_text="globex"))
        page.locator("summary", has_text="globex").click()
        tenant = page.locator("details", has_text="globex")
        tenant.get_by_label("Jobs at work").fill("2")
        tenant.get_by_label("Files, GB").fill("5")
        with page.expect_navigation():
            tenant.get_by_role("button", name="Save").click()
        page.locator("summary", has_text="globex").click()
        expect(tenant.get_by_label("Files, GB")).to_have_value("5")
        expect(tenant.get_by_label("Jobs at work")).to_have_value("2")

        page = visit.open("/settings/prices")
        page.get_by_label("Core hour").fill("0.05")
        page.get_by_label("Currency").fill("EUR")
        with page.expect_navigation():
            page.get_by_role("button", name="Save").click()
        expect(page.get_by_label("Core hour")).to_have_value("0.05")

        page = visit.open("/settings/people")
        expect(page.get_by_text("gil@example.org")).to_be_visible()
        page = visit.open("/settings/log")
        expect(page.get_by_role("cell", name="add_tenant").first).to_be_visible()
        expect(visit.open("/datasets").get_by_text("403")).to_have_count(1)


def test_what_people_are_called_is_never_more_than_text(owner: Visit) -> None:
    actor = authenticate(owner.served.services, owner.served.key)
    assert actor is not None
    for attack in ATTACKS[::10]:
        audit.record_call(
            owner.served.services,
            actor=attack,
            tenant_id=actor.tenant_id,
            action=attack,
            target=attack,
            request_id="0",
        )
    page = owner.open("/settings/audit")
    expect(page.get_by_text(ATTACKS[0]).first).to_be_visible()
    assert_unharmed(page)
    page = owner.open("/settings/keys")
    page.locator("#name").fill(ATTACKS[0])
    page.get_by_role("button", name="Make").click()
    expect(page.locator("#keys").get_by_text(ATTACKS[0]).first).to_be_visible()
    assert_unharmed(page)


def test_who_only_reads_sees_settings_in_chinese(browser: Browser, served: Served) -> None:
    served.add_member("reader-of-settings@example.org", role="viewer")
    with visiting(browser, served, language="zh") as visit:
        visit.log_in(email="reader-of-settings@example.org", password=PASSWORD)
        page = visit.open("/settings/members")
        expect(page.get_by_role("heading", name="设置")).to_be_visible()
        expect(page.locator("form[hx-post], select[hx-post], [hx-delete]")).to_have_count(0)
        expect(page.locator(".settings-tabs a")).to_have_text(
            ["成员", "资源池与工作进程", "通知", "用量与费用"]
        )
