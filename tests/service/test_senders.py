"""Notices travel by the ways that are allowed, and their addresses stay secret."""

import socket

import pytest
from apprise.plugins.dingtalk import NotifyDingTalk

from tests.service.receivers import mail_receiver, web_receiver
from tunesmith.errors import DeliveryFailed, RecipeInvalid
from tunesmith.service.notices import Notice, notice_of
from tunesmith.service.senders import SENDERS, send, sender_of

EVENT = {
    "job_id": "ftjob-1",
    "seq": 5,
    "kind": "train",
    "name": "berlin",
    "status": "failed",
    "message": "the loss is not a number",
    "hint": "lower training.learning_rate",
}
NOTICE = Notice("ftjob-1-5-channel-1", "a title", "a body", EVENT)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "syslog://localhost",
        "dbus://",
        "gnome://",
        "windows://",
        "apprise://127.0.0.1/token",
        "http://127.0.0.1/",
        "no address at all",
        "",
        "jsons://",
        "jsons://host:99999/",
        "jsons://host/?+Bad%0AName=x",
        "jsons://host/?+Name=x%0D%0AInjected:%20y",
        "mailto://user:password@mail.example.org?to=a@b.org&pgpkey=/etc/passwd",
        "dingtalk://0123456789abcdef0123456789abcdef?template=/etc/passwd",
        "feishu://",
        "twilio://sid",
    ],
)
def test_an_address_of_another_kind_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(RecipeInvalid) as refused:
        sender_of(url)
    assert "passw" not in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("jsons://user:pass@hooks.example.org/x?+X-Token=1&y=2", "webhook"),
        ("mailtos://user:pass@example.org:587?from=a@example.org&to=b@example.org", "email"),
        ("dingtalk://0123456789abcdef0123456789abcdef", "dingtalk"),
        ("feishu://0123456789abcdef", "feishu"),
        ("wecombot://01234567-89ab-cdef-0123-456789abcdef", "wecom"),
        (f"twilio://AC{'0' * 32}:{'1' * 32}@15551234567/15557654321", "sms"),
    ],
)
def test_an_address_of_each_kind_is_known(url: str, word: str) -> None:
    assert sender_of(url).word == word


def test_a_webhook_gets_event_id_and_what_its_address_asks_for() -> None:
    with web_receiver() as hook:
        url = f"json://ada:p%40ss@127.0.0.1:{hook.port}/hooks/x?+X-Token=secret&room=7"
        send(url, NOTICE, allow_private=True)
    assert hook.paths == ["/hooks/x?room=7"]
    headers, body = hook.headers[0], hook.bodies[0]
    assert headers["x-tunesmith-event"] == headers["idempotency-key"] == body["id"] == NOTICE.id
    assert headers["x-token"] == "secret"
    assert headers["authorization"] == "Basic YWRhOnBAc3M="
    assert body["title"] == "a title"
    assert body["event"] == EVENT


def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    with web_receiver() as hook:
        hook.status = 302
        with pytest.raises(DeliveryFailed, match="answered 302"):
            send(f"json://127.0.0.1:{hook.port}/a", NOTICE, allow_private=True)
    assert hook.paths == ["/a"]


def test_a_mail_carries_the_event_id() -> None:
    notice = notice_of(NOTICE.id, EVENT, language="zh")
    with mail_receiver() as mailbox:
        url = f"mailto://127.0.0.1:{mailbox.port}?from=ts@example.org&to=ada@example.org&mode=insecure"
        send(url, notice, allow_private=True)
    mail = mailbox.mails[0]
    assert mail["X-Tunesmith-Event"] == NOTICE.id
    assert mail["Message-ID"] == f"<{NOTICE.id}@tunesmith>"
    assert mail["To"] == "ada@example.org"
    assert mail["Subject"] == "调匠：训练 berlin 失败了"
    assert "下一步：lower training.learning_rate" in mail.get_content()


def test_a_chat_robot_is_told_through_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    with web_receiver() as hook:
        hook.status = 200
        monkeypatch.setattr(
            NotifyDingTalk, "notify_url", f"http://127.0.0.1:{hook.port}/send?token={{token}}"
        )
        send("dingtalk://0123456789abcdef0123456789abcdef", NOTICE, allow_private=False)
    assert hook.paths == ["/send?token=0123456789abcdef0123456789abcdef"]
    assert "a body" in str(hook.bodies[0])


@pytest.mark.parametrize(
    "url",
    [
        "json://127.0.0.1:{port}/secret-path",
        "json://localhost:{port}/secret-path",
        "json://[::ffff:127.0.0.1]:{port}/secret-path",
        "mailto://127.0.0.1:{port}?from=a@b.org&to=c@d.org&mode=insecure",
        "mailto://u:secretword@example.org?from=a@b.org&to=c@d.org&mode=insecure&smtp=127.0.0.1",
    ],
)
def test_private_addresses_are_not_connected_to(url: str) -> None:
    with web_receiver() as hook, pytest.raises(DeliveryFailed, match="not public"):
        send(url.format(port=hook.port), NOTICE, allow_private=False)
    assert not hook.paths


def test_errors_hold_no_part_of_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for url in (
        f"json://ada:hunter2hunter2@127.0.0.1:{port}/token-of-the-hook?+X-Key=keykeykey",
        f"mailto://ada:hunter2hunter2@127.0.0.1:{port}?from=a@b.org&to=c@d.org&mode=insecure",
    ):
        with pytest.raises(DeliveryFailed) as failed:
            send(url, NOTICE, allow_private=True)
        said = str(failed.value)
        assert "refused" in said
        for secret in ("hunter2", "token-of", "keykey", "127.0.0.1"):
            assert secret not in said


def test_every_kind_has_an_example_that_names_it() -> None:
    assert all("://" in sender.example for sender in SENDERS.values())
