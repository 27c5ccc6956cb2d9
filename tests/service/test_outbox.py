"""The outbox tells every event at least once, to whom it may concern, and no one forgets it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from tests.service.installation import cancelled_job, found_owner
from tests.service.receivers import Hook, web_receiver
from tunesmith.service import channels, jobs, submitting
from tunesmith.service.access import Actor
from tunesmith.service.config import ServiceConfig
from tunesmith.service.job_requests import JobOptions, PullRequest
from tunesmith.service.outbox import Dispatcher
from tunesmith.service.services import Services
from tunesmith.store.outbox import GIVES_UP_AFTER, KEPT_FOR
from tunesmith.store.tables import OutboxMessage, Person


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Office:
    """An installation with an owner, a webhook and a dispatcher's clock."""

    services: Services
    owner: Actor
    clock: Clock
    hook: Hook
    channel_id: str

    def send_all(self) -> int:
        """Send what is due; how many messages that were."""
        return send_all(Dispatcher(self.services))

    def deliveries(self) -> list[channels.DeliveryView]:
        return channels.list_deliveries(self.services, self.owner.tenant_id, self.channel_id)[0]


def send_all(dispatcher: Dispatcher) -> int:
    num_sent = 0
    while True:
        with ThreadPoolExecutor(1) as senders:  # leaving waits for what is under way
            if not dispatcher.turn(senders):
                return num_sent
        num_sent += 1


@contextmanager
def open_office(services: Services, *, refuses: bool = False) -> Iterator[Office]:
    clock = Clock(services.clock())
    config = ServiceConfig(allow_private_addresses=True)
    services = replace(services, clock=clock, config=config)
    owner, _ = found_owner(services)
    with web_receiver(refuses=lambda: refuses) as hook:
        url = f"json://127.0.0.1:{hook.port}/token-in-the-path"
        view = channels.add_channel(services, owner.tenant_id, name="ops", url=url)
        yield Office(services, owner, clock, hook, view.id)


@pytest.fixture
def office(services: Services) -> Iterator[Office]:
    with open_office(services) as office:
        yield office


@pytest.fixture
def deaf_office(services: Services) -> Iterator[Office]:
    """One whose webhook answers with errors."""
    with open_office(services, refuses=True) as office:
        yield office


def test_a_subscribed_job_is_told_once(office: Office) -> None:
    job_id = cancelled_job(office.services, office.owner, [office.channel_id])
    cancelled_job(office.services, office.owner, [])
    assert office.send_all() == 1
    assert office.send_all() == 0
    body = office.hook.bodies[0]
    assert body["event"]["job_id"] == job_id
    assert body["title"] == "Tunesmith: base model smollm2-135m was cancelled"
    assert office.deliveries()[0].status == "sent"
    assert office.deliveries()[0].id == body["id"]


def test_the_language_is_that_of_the_person_who_asked_for_the_job(office: Office) -> None:
    with office.services.database.transaction() as db:
        db.get_one(Person, office.owner.person_id).language = "zh"
    cancelled_job(office.services, office.owner, [office.channel_id])
    office.send_all()
    assert office.hook.bodies[0]["title"] == "调匠：基础模型 smollm2-135m 已取消"


def test_what_one_dispatcher_holds_no_other_sends(office: Office) -> None:
    for _ in range(20):
        cancelled_job(office.services, office.owner, [office.channel_id])
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(send_all, [Dispatcher(office.services) for _ in range(4)]))
    assert len(set(office.hook.ids)) == len(office.hook.ids) == 20
    assert sum(counts) == 20


def test_a_message_whose_dispatcher_died_is_sent_under_the_same_id(office: Office) -> None:
    cancelled_job(office.services, office.owner, [office.channel_id])
    dead = Dispatcher(office.services)
    letter = dead._take()  # and then it dies
    assert letter is not None
    assert office.send_all() == 0
    office.clock.now += timedelta(seconds=dead.hold_seconds)
    assert office.send_all() == 1
    assert office.hook.ids == [letter.notice.id]


def test_a_failed_message_rests_longer_each_time_and_is_given_up_in_sight(
    deaf_office: Office,
) -> None:
    office = deaf_office
    cancelled_job(office.services, office.owner, [office.channel_id])
    began, pauses = office.clock.now, list[timedelta]()
    while (delivery := office.deliveries()[0]).status == "waiting":
        if delivery.attempts:
            assert delivery.next_attempt is not None
            pauses.append(delivery.next_attempt - office.clock.now)
            office.clock.now = delivery.next_attempt
        assert office.send_all() == 1
    assert pauses[:4] == [timedelta(seconds=5 * 2**n) for n in range(4)]
    assert max(pauses) == timedelta(hours=1)
    assert delivery.status == "given up"
    assert delivery.error == "the server answered 500"
    assert GIVES_UP_AFTER <= office.clock.now - began <= GIVES_UP_AFTER + timedelta(hours=1)
    office.clock.now += timedelta(days=1)
    assert office.send_all() == 0


def test_a_silent_channel_holds_up_no_other(office: Office) -> None:
    services, owner = office.services, office.owner
    gate = threading.Event()
    with web_receiver(refuses=gate.wait) as silent:
        url = f"json://127.0.0.1:{silent.port}/"
        other = channels.add_channel(services, owner.tenant_id, name="silent", url=url)
        for _ in range(10):
            cancelled_job(services, owner, [other.id])
        cancelled_job(services, owner, [office.channel_id])
        dispatcher = Dispatcher(services)
        with ThreadPoolExecutor(8) as senders:
            assert dispatcher.turn(senders)
            assert dispatcher.turn(senders)  # the next message goes to the other channel
            assert not dispatcher.turn(senders)  # the rest waits for the silent one
            gate.set()
    assert len(office.hook.ids) == 1


def test_what_was_told_long_ago_is_forgotten(office: Office) -> None:
    cancelled_job(office.services, office.owner, channels=[office.channel_id])
    dispatcher = Dispatcher(office.services)
    assert send_all(dispatcher) == 1
    office.clock.now += KEPT_FOR
    dispatcher.clear()
    assert len(office.deliveries()) == 1
    office.clock.now += timedelta(seconds=1)
    dispatcher.clear()
    assert office.deliveries() == []


def test_a_message_names_no_place_on_the_server(office: Office) -> None:
    job_id = cancelled_job(office.services, office.owner, channels=[office.channel_id])
    home = office.services.home(office.owner.tenant_id)
    with office.services.database.transaction() as db:
        [message] = db.scalars(select(OutboxMessage))
        message.event = {**message.event, "message": f"{home.folder}/runs/{job_id} is gone"}
    assert office.send_all() == 1
    [body] = office.hook.bodies
    assert str(home.folder) not in str(body)
    assert f"runs/{job_id} is gone" in str(body)


def test_a_deleted_channel_is_told_nothing_more(office: Office) -> None:
    cancelled_job(office.services, office.owner, [office.channel_id])
    options = JobOptions(notify=[office.channel_id])
    request = PullRequest(model="smollm2-135m")
    job = submitting.submit_job(office.services, request, actor=office.owner, options=options)
    channels.delete_channel(office.services, office.owner.tenant_id, office.channel_id)
    jobs.cancel_job(office.services, office.owner.tenant_id, job.id)
    assert office.send_all() == 0
    assert not office.hook.ids
