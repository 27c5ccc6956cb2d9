"""How a notice travels: one row for every kind of address that a channel may have.

Everything else that Apprise could do (files, the system's log, desktops, plugins) is not in the
table, so it is not even loaded. Hosts that people name are connected to as downloads are: by an
address that was checked. An address holds secrets, so no error repeats a part of it.
"""

# Apprise leaves the types of its settings open.
# pyright: reportUnknownMemberType=false

import base64
import http.client
import json
import logging
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formataddr, formatdate
from typing import Any, Literal, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import apprise
from apprise.exception import AppriseImproperlyConfigured
from apprise.plugins.base import NotifyBase
from apprise.plugins.clicksend import NotifyClickSend
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.email import NotifyEmail
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.lark import NotifyLark
from apprise.plugins.plivo import NotifyPlivo
from apprise.plugins.sinch import NotifySinch
from apprise.plugins.twilio import NotifyTwilio
from apprise.plugins.vonage import NotifyVonage
from apprise.plugins.wecombot import NotifyWeComBot

from tunesmith.data.sources.addresses import checked_addresses, checked_url
from tunesmith.data.sources.connections import (
    connect_to,
    guarded_connection,
    request_target,
    shut_at,
)
from tunesmith.data.sources.datafile import one_line
from tunesmith.errors import DatasetRejected, DeliveryFailed, RecipeInvalid, TunesmithError
from tunesmith.service.notices import Notice

SECONDS_TO_SEND = 15.0  # from the connection on, for webhooks and e-mail
EVENT_HEADER = "X-Tunesmith-Event"

ChannelWord: TypeAlias = Literal["webhook", "email", "sms", "dingtalk", "feishu", "wecom"]


@dataclass(frozen=True)
class Sender:
    """A kind of address.

    Attributes:
        word: what people call it.
        example: how such an address is written.
        send: tells a notice to an address; whether private networks may be connected to.
        plugin: reads the address and, for providers, sends; None where we do both ourselves.
        settings: parameters behind its "?" that may be given; None allows all, since they go
            to the receiver.
    """

    word: ChannelWord
    example: str
    send: Callable[[str, Notice, bool], None]
    plugin: type[NotifyBase] | None
    settings: frozenset[str] | None


def sender_of(url: str) -> Sender:
    """The sender for `url`, which is checked as far as that goes without connecting.

    Raises:
        RecipeInvalid: no channel may have such an address, or it lacks a part.
    """
    scheme = url.partition("://")[0].lower()
    sender = SENDERS.get(scheme)
    if sender is None:
        raise RecipeInvalid(
            f"no channel sends to addresses of kind {one_line(scheme, longest=30)!r}",
            hint=f"there are: {', '.join(f'{name}://' for name in SENDERS)}",
        )
    try:
        _check_settings(sender, urlsplit(url))
        if sender.plugin is None:
            _webhook(url)
        else:
            _read(sender.plugin, url)
    except (ValueError, DatasetRejected, AppriseImproperlyConfigured):  # they repeat the address
        raise RecipeInvalid(
            f"the address is not a whole one of {scheme}://", hint=sender.example
        ) from None
    return sender


def _check_settings(sender: Sender, parts: SplitResult) -> None:
    names = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    unknown = sorted(names - sender.settings) if sender.settings is not None else []
    if unknown:
        raise RecipeInvalid(
            f"{parts.scheme}:// addresses have no parameter {one_line(unknown[0], longest=30)!r}",
            hint=f"allowed: {', '.join(sorted(sender.settings or ())) or 'none'}",
        )


def send(url: str, notice: Notice, *, allow_private: bool) -> None:
    """Tell `notice` to the address `url`.

    Raises:
        DeliveryFailed: it did not get there, or nobody can tell.
    """
    try:
        sender_of(url).send(url, notice, allow_private)
    except TunesmithError as error:
        raise DeliveryFailed(_without_secrets(error.message, url)) from None
    except (OSError, http.client.HTTPException, smtplib.SMTPException, ValueError) as error:
        reason = one_line(error) or type(error).__name__
        raise DeliveryFailed(_without_secrets(reason, url)) from None


def _without_secrets(text: str, url: str) -> str:
    """`text` without any part of the address that is long enough to be one."""
    written = re.split(r"[/:@?&=+,]", url.partition("://")[2])
    for part in sorted({*written, *map(unquote, written)}, key=len, reverse=True):
        if len(part) >= 4:
            text = text.replace(part, "***")
    return text


# --- webhooks --------------------------------------------------------------------------------


def _send_webhook(url: str, notice: Notice, allow_private: bool) -> None:
    """POST the event as JSON. The id is in header and body, for receivers that tell twins apart."""
    parts, headers = _webhook(url)
    body = {"id": notice.id, "title": notice.title, "body": notice.body, "event": notice.event}
    headers |= {
        "Content-Type": "application/json",
        "User-Agent": "tunesmith",
        "Idempotency-Key": notice.id,
        EVENT_HEADER: notice.id,
    }
    connection = guarded_connection(
        parts, timeout_seconds=SECONDS_TO_SEND, allow_private=allow_private
    )
    try:
        connection.connect()
        with shut_at(time.monotonic() + SECONDS_TO_SEND, connection.sock):
            text = json.dumps(body, ensure_ascii=False).encode()
            connection.request("POST", request_target(parts), body=text, headers=headers)
            status = connection.getresponse().status
    finally:
        connection.close()
    if not 200 <= status < 300:  # a redirect is not followed: the address is to be mended
        raise DeliveryFailed(f"the server answered {status}")


def _webhook(url: str) -> tuple[SplitResult, dict[str, str]]:
    """Where json:// and jsons:// lead, and the headers that `?+NAME=VALUE` asks for."""
    given = urlsplit(url)
    # A query's "+" reads as a space.
    pairs = parse_qsl(given.query, keep_blank_values=True)
    headers = {name[1:]: value for name, value in pairs if name.startswith(" ")}
    rest = [(name, value) for name, value in pairs if not name.startswith(" ")]
    for name, value in headers.items():
        if not re.fullmatch(r"[\w-]+", name, re.ASCII) or not value.isprintable():
            raise RecipeInvalid("a header behind the address's ? is malformed", hint="?+Name=value")
    if given.username is not None:
        pair = f"{unquote(given.username)}:{unquote(given.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    scheme = "https" if given.scheme == "jsons" else "http"
    host = given.netloc.rpartition("@")[2]
    url = f"{scheme}://{host}{given.path}"
    return checked_url(f"{url}?{urlencode(rest)}" if rest else url), headers


# --- e-mail ----------------------------------------------------------------------------------


def _send_email(url: str, notice: Notice, allow_private: bool) -> None:
    """Hand a mail to the server that the address names; Apprise knows how to read the address."""
    mail: Any = _read(NotifyEmail, url)
    message = EmailMessage()
    message["Subject"] = notice.title
    message["From"] = formataddr((mail.from_addr[0] or "", mail.from_addr[1]))
    message["To"] = ", ".join(formataddr((name or "", address)) for name, address in mail.targets)
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{notice.id}@tunesmith>"
    message[EVENT_HEADER] = notice.id
    message.set_content(notice.body)
    addresses = checked_addresses(mail.smtp_host, mail.port, allow_private=allow_private)
    with (
        _GuardedSmtp(mail, addresses) as smtp,
        shut_at(time.monotonic() + SECONDS_TO_SEND, _socket_of(smtp)),
    ):
        if mail.secure_mode == "starttls":
            smtp.starttls(context=ssl.create_default_context())
        if mail.user and mail.password:
            smtp.login(mail.user, mail.password)
        refused = smtp.send_message(message)
    if refused:
        raise DeliveryFailed(f"the mail server refused {len(refused)} of the receivers")


class _GuardedSmtp(smtplib.SMTP):
    """Connects to one of `addresses`, whatever its host's name leads to by now."""

    def __init__(self, mail: Any, addresses: list[str]) -> None:
        self._addresses = addresses
        self._speaks_tls = mail.secure_mode == "ssl"
        super().__init__(mail.smtp_host, mail.port, timeout=SECONDS_TO_SEND)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = connect_to(self._addresses, port, timeout=timeout)
        if not self._speaks_tls:
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _socket_of(smtp: smtplib.SMTP) -> socket.socket:
    assert smtp.sock is not None
    return smtp.sock


# --- chat and SMS ----------------------------------------------------------------------------

# No redirects and nothing on the disk; the hosts are the providers' own, not the user's.
_ASSET = apprise.AppriseAsset(plugin_paths=[], http_redirects=False)
logging.getLogger("apprise").propagate = False  # it names parts of addresses


def _send_by_provider(url: str, notice: Notice, allow_private: bool) -> None:
    plugin = SENDERS[url.partition("://")[0].lower()].plugin
    assert plugin is not None
    service = apprise.Apprise(asset=_ASSET)
    service.add(_read(plugin, url))
    result: Any = service.notify(body=notice.body, title=notice.title, body_format="text")
    if not result:
        said = [entry.message for attempts in result for each in attempts for entry in each]
        raise DeliveryFailed(one_line(said[-1]) if said else "the provider refused the message")


def _read(plugin: type[NotifyBase], url: str) -> NotifyBase:
    """The address as Apprise understands it; raises AppriseImproperlyConfigured if it does not."""
    found: dict[str, Any] | None = plugin.parse_url(url)
    if found is None:
        raise AppriseImproperlyConfigured("it cannot be read")
    return plugin(**found, asset=_ASSET)


# --- the table -------------------------------------------------------------------------------

_WEBHOOK = Sender(
    "webhook", "jsons://USER:PASSWORD@HOST/PATH?+HEADER=VALUE", _send_webhook, None, settings=None
)
_EMAIL = Sender(
    "email",
    "mailtos://USER:PASSWORD@HOST:PORT?from=NAME@HOST&to=NAME@HOST",
    _send_email,
    NotifyEmail,
    frozenset({"from", "to", "smtp", "mode", "user", "pass"}),
)


def _provider(word: ChannelWord, plugin: type[NotifyBase], example: str, *settings: str) -> Sender:
    return Sender(word, example, _send_by_provider, plugin, frozenset(settings))


SENDERS: Mapping[str, Sender] = {
    "json": _WEBHOOK,
    "jsons": _WEBHOOK,
    "mailto": _EMAIL,
    "mailtos": _EMAIL,
    "dingtalk": _provider("dingtalk", NotifyDingTalk, "dingtalk://SECRET@TOKEN/PHONE"),
    "feishu": _provider("feishu", NotifyFeishu, "feishu://TOKEN"),
    "lark": _provider("feishu", NotifyLark, "lark://TOKEN"),
    "wecombot": _provider("wecom", NotifyWeComBot, "wecombot://KEY"),
    "twilio": _provider("sms", NotifyTwilio, "twilio://SID:TOKEN@FROM_PHONE/TO_PHONE"),
    "vonage": _provider("sms", NotifyVonage, "vonage://KEY:SECRET@FROM_PHONE/TO_PHONE"),
    "sinch": _provider("sms", NotifySinch, "sinch://PLAN:TOKEN@FROM_PHONE/TO_PHONE", "region"),
    "plivo": _provider("sms", NotifyPlivo, "plivo://ID@TOKEN/FROM_PHONE/TO_PHONE"),
    "clicksend": _provider("sms", NotifyClickSend, "clicksend://USER:KEY@TO_PHONE"),
}
