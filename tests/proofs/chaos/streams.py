"""R14: a client follows a training's events over a line that drops again and again."""

import json
import random
from collections.abc import Iterator
from itertools import pairwise

from tests.proofs.chaos import work
from tests.proofs.chaos.figures import Figure, none_of
from tests.proofs.chaos.installation import Installation, wait_for
from tunesmith.service.streams import Position

_MOST_EVENTS = 40  # that are read before the line drops


def run_streams(site: Installation, *, num_drops: int, epochs: int, seed: int) -> Iterator[Figure]:
    """Read a training's events to their end over at least `num_drops` dropped lines."""
    chance = random.Random(seed)
    site.start_server()
    site.start_worker()
    wait_for(site.answers, what="the server")
    work.prepare(site, [])
    path = f"/api/v1/runs/{work.submit_long_training(site, epochs=epochs)}/events"
    positions = [Position()]
    num_dropped = 0
    has_ended = False
    while not has_ended:
        enough = chance.randint(1, _MOST_EVENTS) if num_dropped < num_drops else None
        heard, has_ended = _listen(site, path, after=positions[-1], enough=enough)
        positions += heard
        num_dropped += not has_ended
    faults = [
        f"{after} followed {before}"
        for before, after in pairwise(positions)
        if not _is_next(before, after)
    ]
    whole, _ = _listen(site, path, after=Position(), enough=None)
    if whole[-1] != positions[-1]:
        faults.append(f"the stream ended at {positions[-1]}, but there are {whole[-1]}")
    goal = "0 missed, 0 repeated, in order"
    measured = f"{num_dropped} drops, {len(positions) - 1} events"
    yield none_of("R14 dropped event streams", goal, measured, faults)


def _is_next(before: Position, after: Position) -> bool:
    """Whether exactly one event lies between: of the job's life or of its engine."""
    return (after.life - before.life, after.engine - before.engine) in ((1, 0), (0, 1))


def _listen(
    site: Installation, path: str, *, after: Position, enough: int | None
) -> tuple[list[Position], bool]:
    """The positions of the next events, `enough` or all, and whether that was the end."""
    heard: list[Position] = []
    with site.follow(path, headers={"last-event-id": str(after)}) as lines:
        for line in lines:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                position = Position.parse(value)
            elif name == "event" and value == "end":
                return heard, True
            elif name == "data":
                json.loads(value)  # it must be whole
                heard.append(position)
                if len(heard) == enough:
                    return heard, False
    raise AssertionError("the stream ended without saying so")
