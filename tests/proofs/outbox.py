"""`make outbox`: tell 200 events through dispatchers that are killed and receivers that refuse.

Every event goes to a webhook and to a mail server, each of which refuses every third message. Two
dispatchers share the outbox, each killed with `kill -9` at random moments or between sending and
noting it. Their clock runs 20 times as fast, so that pauses and holds pass in seconds. Prints how
many messages arrived at least once, and how many again under the same id; exit code 1 if one is
missing or unknown.
"""

import argparse
import itertools
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from tests.service.installation import cancelled_job, found_owner
from tests.service.receivers import mail_receiver, web_receiver
from tunesmith.service import channels
from tunesmith.service.config import ServiceConfig
from tunesmith.service.outbox import Dispatcher
from tunesmith.service.services import Services, open_services
from tunesmith.store.home import Home
from tunesmith.store.tables import OutboxMessage

SPEED = 20


@dataclass(frozen=True)
class FastClock:
    """Wall time that passes `SPEED` times as fast since `start`, the same in every process."""

    start: datetime

    def __call__(self) -> datetime:
        return self.start + SPEED * (datetime.now(UTC) - self.start)


@dataclass(frozen=True)
class Figures:
    """What a trial came to."""

    num_messages: int
    num_missing: int
    num_unknown: int
    num_again: int
    num_kills: int


def try_outbox(folder: Path, *, num_events: int, seed: int, most_seconds: float) -> Figures:
    """Tell `num_events` events to a webhook and a mail server, killing dispatchers meanwhile."""
    chance, turn = random.Random(seed), itertools.count()
    services = _services(folder, FastClock(datetime.now(UTC)))
    owner, _ = found_owner(services)
    with ExitStack() as stack:

        def moody() -> bool:
            return next(turn) % 3 == 0

        hook = stack.enter_context(web_receiver(refuses=moody))
        mailbox = stack.enter_context(mail_receiver(refuses=moody))
        mail = f"mailto://127.0.0.1:{mailbox.port}?from=a@b.org&to=c@d.org&mode=insecure"
        urls = {"hook": f"json://127.0.0.1:{hook.port}/", "mail": mail}
        ids = [
            channels.add_channel(services, owner.tenant_id, name=name, url=url).id
            for name, url in urls.items()
        ]
        killers = _Killers(services, chance, until=time.monotonic() + most_seconds)
        with killers:
            for _ in range(num_events):
                cancelled_job(services, owner, ids)
            killers.wait_until_empty()
        heard = [*hook.ids, *mailbox.ids]
    with services.database.reading() as db:
        expected = set(db.scalars(select(OutboxMessage.id)))
    missing, unknown = expected - set(heard), set(heard) - expected
    again = len(heard) - len(set(heard))
    return Figures(len(expected), len(missing), len(unknown), again, killers.num_kills)


def _services(folder: Path, clock: FastClock) -> Services:
    config = ServiceConfig(allow_private_addresses=True)
    return replace(open_services(config, Home(folder)), clock=clock)


class _Killers:
    """Keeps two dispatchers going, and ends each of them again and again."""

    def __init__(self, services: Services, chance: random.Random, *, until: float) -> None:
        self._services = services
        self._chance = chance
        self._until = until
        self._done = threading.Event()
        self.num_kills = 0
        self._threads = [
            threading.Thread(target=self._keep_one, args=(random.Random(chance.random()),))
            for _ in range(2)
        ]

    def __enter__(self) -> "_Killers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def wait_until_empty(self) -> None:
        left = select(OutboxMessage.id).where(OutboxMessage.sent_at.is_(None)).limit(1)
        while time.monotonic() < self._until:
            with self._services.database.reading() as db:
                if db.scalars(left).first() is None:
                    return
            time.sleep(0.2)

    def _keep_one(self, chance: random.Random) -> None:
        clock = self._services.clock
        assert isinstance(clock, FastClock)
        folder = str(self._services.installation.folder)
        command = [sys.executable, "-m", "tests.proofs.outbox", "--dispatch", folder]
        while not self._done.is_set():
            environment = dict(os.environ)
            if chance.random() < 0.5:
                point = chance.choice(["outbox.after_hold", "outbox.after_send"])
                environment["TUNESMITH_FAILPOINT"] = f"{point}:{chance.randint(1, 12)}"
            with subprocess.Popen(
                [*command, clock.start.isoformat()],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as process:
                assert process.stdout is not None
                process.stdout.readline()  # it begins to send
                with suppress(subprocess.TimeoutExpired):  # a failpoint may be faster
                    process.wait(chance.uniform(0.1, 1.5))
                process.kill()
            self.num_kills += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=300, help="give up after so long")
    parser.add_argument("--dispatch", nargs=2, metavar=("HOME", "START"), help="be a dispatcher")
    arguments = parser.parse_args()
    if arguments.dispatch:
        folder, start = arguments.dispatch
        services = _services(Path(folder), FastClock(datetime.fromisoformat(start)))
        print("ready", flush=True)
        Dispatcher(services).run(threading.Event())
    with tempfile.TemporaryDirectory() as scratch:
        figures = try_outbox(
            Path(scratch) / "home",
            num_events=arguments.events,
            seed=arguments.seed,
            most_seconds=arguments.seconds,
        )
    print(
        f"{figures.num_messages - figures.num_missing} of {figures.num_messages} messages of "
        f"{arguments.events} events arrived, under {figures.num_kills} kills and every third "
        f"one refused; {figures.num_again} arrived again under the same id, "
        f"{figures.num_unknown} under another"
    )
    return 1 if figures.num_missing or figures.num_unknown else 0


if __name__ == "__main__":
    raise SystemExit(main())
