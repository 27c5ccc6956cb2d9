"""`make serving-soak`: an hour of mixed load on deployed models; no wrong one may ever answer.

Every adapter was taught to say its own word. Clients ask random ones, whole and streamed, and hang
up at random; adapters are deployed and stopped meanwhile, and a worker is killed with `kill -9`.

Half of the adapters stand on an engine of another pool, whose worker is never killed. One of them
is never stopped, so that engine lives as long as the load, and so does the server: their memory is
measured all the time, and must stay as it is.
"""

import argparse
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL

import httpx2
import psutil

from tests.api.deployed import Deployer, engine_processes, num_running, register, wait_for
from tests.api.serving import BASE, Served, serving
from tests.conftest import make_tiny_model
from tests.proofs.chaos.figures import Figure, none_of
from tests.serving.test_exactness import LIVELY
from tests.serving.words import QUESTIONS, teach_word

_HANGS_SECONDS = 60.0
_REFUSALS = (404, 409, 503)  # not deployed, stopped, on its way: what clients are to expect
_MOST_GROWTH = 0.05
_LONG = {"max_tokens": 500, "temperature": 2.0, "n": 8}  # still being written when one hangs up


@dataclass
class Heard:
    """What the clients met with."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0


@dataclass(frozen=True)
class Client:
    """Asks random models, as long as it may."""

    served: Served
    words: dict[str, str]
    heard: Heard
    chance: random.Random
    ending: threading.Event

    def run(self) -> None:
        with httpx2.Client(
            base_url=f"{self.served.address}/v1",
            headers={"authorization": f"Bearer {self.served.key}"},
            timeout=_HANGS_SECONDS,
        ) as http:
            while not self.ending.is_set():
                began = time.monotonic()
                model = self.chance.choice(list(self.words))
                try:
                    outcome = self._ask(http, model)
                except httpx2.TimeoutException:
                    outcome = "hangs"
                    self.heard.faults.append(f"{model} did not answer in {_HANGS_SECONDS:.0f} s")
                self.heard.outcomes[outcome] += 1
                self.heard.slowest = max(self.heard.slowest, time.monotonic() - began)

    def _ask(self, http: httpx2.Client, model: str) -> str:
        asked = {
            "model": model,
            "messages": [{"role": "user", "content": self.chance.choice(QUESTIONS)}],
            "temperature": 0,
            "max_tokens": 12,
        }
        if self.chance.random() < 0.25:
            return self._hang_up(http, {**asked, **_LONG, "stream": True})
        answer = http.post("/chat/completions", json=asked)
        if answer.status_code in _REFUSALS:
            return f"refused {answer.status_code}"
        if answer.status_code != 200:
            self.heard.faults.append(f"{model}: {answer.status_code} {answer.text[:200]}")
            return "fault"
        said = answer.json()["choices"][0]["message"]["content"]
        if said != self.words[model]:
            self.heard.faults.append(f"{model} said {said!r}, its word is {self.words[model]!r}")
        return "answered"

    def _hang_up(self, http: httpx2.Client, asked: dict[str, object]) -> str:
        with http.stream("POST", "/chat/completions", json=asked) as answer:
            if answer.status_code != 200:
                return f"refused {answer.status_code}"
            for _ in zip(range(self.chance.randint(1, 30)), answer.iter_lines(), strict=False):
                pass
        return "hung up"


@dataclass
class Memory:
    """Resident bytes of a process, looked at again and again; 0 once it has ended."""

    process: psutil.Process
    seen: list[int] = field(default_factory=list[int])

    def look(self) -> None:
        try:
            self.seen.append(self.process.memory_info().rss)
        except psutil.NoSuchProcess:
            self.seen.append(0)

    def figure(self, name: str) -> Figure:
        """What the last tenth of the time takes beside the second, when all is warm."""
        size = max(1, len(self.seen) // 10)
        starts = range(0, len(self.seen) - size + 1, size)
        tenths = [statistics.median(self.seen[start : start + size]) for start in starts]
        before, after = tenths[1], tenths[-1]
        growth = after / before - 1
        course = " ".join(f"{tenth / 1e6:.0f}" for tenth in tenths)
        measured = f"{before / 1e6:.1f} to {after / 1e6:.1f} MB, {growth:+.1%}"
        measured += f" ({len(self.seen)} looks, {max(self.seen) / 1e6:.1f} MB at most: {course})"
        is_met = all(self.seen) and growth < _MOST_GROWTH
        return Figure(
            f"memory of {name}", f"grows by less than {_MOST_GROWTH:.0%}", measured, is_met
        )


@dataclass(frozen=True)
class Taught:
    """A deployed adapter."""

    model: str
    deployment: str
    word: str


def run_soak(
    folder: Path, *, seconds: float, num_adapters: int, num_clients: int, num_kills: int, seed: int
) -> Iterator[Figure]:
    """Load an installation in `folder` for so long."""
    chance = random.Random(seed)
    with serving(folder, **LIVELY) as served:
        deployer = Deployer(served, served.key)
        calm = _deploy_calm(served, deployer, folder, count=num_adapters // 2)
        [engine] = engine_processes(served)
        served.start("server", "worker")
        watched = {"server": served.process_id("server"), "engine": engine}
        memory = {name: Memory(psutil.Process(pid)) for name, pid in watched.items()}
        base = served.services.installation.models / BASE
        numbers = range(len(calm), num_adapters)
        shaken = _deploy(served, deployer, folder, base=base, base_id=BASE, numbers=numbers)
        heard = Heard()
        with _asking(served, [*calm, *shaken], heard, chance, num_clients=num_clients):
            kills = [seconds * (n + 1) / (num_kills + 1) for n in range(num_kills)]
            restarted = [*calm[1:], *shaken]
            for now in _ticks(seconds):
                if kills and now > kills[0]:
                    kills.pop(0)
                    served.end("worker", by=SIGKILL)
                    served.start("worker")
                elif chance.random() < 0.5:
                    _restart(deployer, chance.choice(restarted).deployment)
                for each in memory.values():
                    each.look()
        _await_peace(served, deployer, calm, shaken)
        deployer.close()
    counts = ", ".join(f"{what}: {count}" for what, count in sorted(heard.outcomes.items()))
    yield none_of("wrong answers, hangs", "none", counts, heard.faults)
    answered = heard.outcomes["answered"]
    yield Figure("answers", "most requests", f"{answered}", is_met=answered > 0)
    for name, each in memory.items():
        yield each.figure(name)


def _deploy_calm(served: Served, deployer: Deployer, folder: Path, *, count: int) -> list[Taught]:
    """Adapters over a base of their own, in a pool of its own with the worker `worker-calm`.

    Which pool an engine is of, the server says when a model is deployed for the first time.
    """
    served.settings = {"TUNESMITH_POOL": "calm"}
    served.start("server", "worker-calm")
    base = make_tiny_model(folder / "calm-base", seed=1, **LIVELY)
    base_id = register(served.services, base, name="calm-base", kind="weights")
    taught = _deploy(served, deployer, folder, base=base, base_id=base_id, numbers=range(count))
    served.end("server")
    served.settings = {}
    return taught


def _deploy(
    served: Served,
    deployer: Deployer,
    folder: Path,
    *,
    base: Path,
    base_id: str,
    numbers: range,
) -> list[Taught]:
    """Adapters with a word each, ready."""
    taught: list[Taught] = []
    for number in numbers:
        word = f"{'abcdefghijklmnop'[number] * 3}-{number}"
        adapter = teach_word(base, folder / f"word-{number}", word=word)
        model = register(served.services, adapter, name=f"word-{number}", base=base_id)
        taught.append(Taught(model, deployer.deploy(model), word))
    for each in taught:
        deployer.wait(each.deployment)
    return taught


@contextmanager
def _asking(
    served: Served, taught: list[Taught], heard: Heard, chance: random.Random, *, num_clients: int
) -> Generator[None]:
    """Let clients ask meanwhile; one that does not end hangs."""
    words = {each.model: each.word for each in taught}
    ending = threading.Event()
    clients = [
        Client(served, words, heard, random.Random(chance.random()), ending)
        for _ in range(num_clients)
    ]
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ending.set()
        for thread in threads:
            thread.join(2 * _HANGS_SECONDS)
    heard.faults += [f"{thread.name} hangs" for thread in threads if thread.is_alive()]


def _ticks(seconds: float) -> Iterator[float]:
    """The time since it began, about every second, for so long."""
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        yield now
        time.sleep(min(1.0, seconds / 20))


def _restart(deployer: Deployer, deployment: str) -> None:
    if deployer.see(deployment)["state"] == "ready":
        deployer.ask("POST", f"/deployments/{deployment}/stop")
    else:
        _start(deployer, deployment)


def _start(deployer: Deployer, deployment: str) -> None:
    if deployer.see(deployment)["state"] in ("stopped", "failed"):
        deployer.ask("POST", f"/deployments/{deployment}/start")


def _await_peace(
    served: Served, deployer: Deployer, calm: list[Taught], shaken: list[Taught]
) -> None:
    """Both engines hold what they should, and write nothing any more."""
    for each in [*calm, *shaken]:
        _start(deployer, each.deployment)
        deployer.wait(each.deployment)
    for model in (calm[0].model, shaken[0].model):
        wait_for(lambda model=model: num_running(served, model) == 0, what="an idle engine")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--adapters", type=int, default=6)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tunesmith-soak-") as folder:
        figures = list(
            run_soak(
                Path(folder),
                seconds=60 * given.minutes,
                num_adapters=given.adapters,
                num_clients=given.clients,
                num_kills=given.kills,
                seed=given.seed,
            )
        )
    for figure in figures:
        print(figure)
    return 0 if all(figure.is_met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
