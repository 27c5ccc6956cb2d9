"""Who hears of events in tests: a web server and a mail server, moody on request."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

Mood = Callable[[], bool]
"""Whether the next message is refused."""


@dataclass
class Hook:
    """A web server that keeps what is posted to it."""

    port: int = 0
    status: int = 204
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    paths: list[str] = field(default_factory=list[str])

    @property
    def ids(self) -> list[str]:
        return [body["id"] for body in self.bodies]


@contextmanager
def web_receiver(*, refuses: Mood = lambda: False) -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if refuses():
                self.send_error(500)
                return
            hook.paths.append(self.path)
            hook.headers.append({name.lower(): value for name, value in self.headers.items()})
            hook.bodies.append(json.loads(body))
            self.send_response(hook.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Mailbox:
    """A mail server that keeps what it takes."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list[EmailMessage])

    @property
    def ids(self) -> list[str]:
        return [str(mail["X-Tunesmith-Event"]).strip() for mail in self.mails]


@contextmanager
def mail_receiver(*, refuses: Mood = lambda: False) -> Iterator[Mailbox]:
    mailbox = Mailbox()

    class Handler:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
            if refuses():
                return "451 try again later"
            assert isinstance(envelope.content, bytes)
            mailbox.mails.append(message_from_bytes(envelope.content, policy=default))
            return "250 OK"

    with socket.create_server(("127.0.0.1", 0)) as free:
        mailbox.port = free.getsockname()[1]
    controller = Controller(Handler(), hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
