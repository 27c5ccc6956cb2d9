"""`make serving-soak`: an hour of mixed load on deployed models; no wrong one may ever answer.

Every adapter was taught to say its own word. Clients ask random ones, whole and streamed, and hang
up at random; adapters are deployed and stopped meanwhile, and the worker is killed with `kill -9`.
In the last third of the time nothing is killed, so that memory can be seen to stay as it is.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL

import httpx2
import psutil

from tests.api.deployed import Deployer, num_running, register_adapter, wait_for
from tests.api.serving import BASE, Served, serving
from tests.proofs.chaos.figures import Figure, none_of
from tests.serving.test_exactness import LIVELY
from tests.serving.words import QUESTIONS, teach_word

_HANGS_SECONDS = 60.0
_REFUSALS = (404, 409, 503)  # not deployed, stopped, on its way: what clients are to expect
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


def run_soak(
    folder: Path, *, seconds: float, num_adapters: int, num_clients: int, num_kills: int, seed: int
) -> Iterator[Figure]:
    """Load an installation in `folder` for so long."""
    chance = random.Random(seed)
    with serving(folder, "server", "worker", **LIVELY) as served:
        words = _words(served, folder, num_adapters)
        deployer = Deployer(served, served.key)
        deployments = {model: deployer.deploy(model) for model in words}
        for deployment in deployments.values():
            deployer.wait(deployment)
        heard, ending = Heard(), threading.Event()
        clients = [
            Client(served, words, heard, random.Random(chance.random()), ending)
            for _ in range(num_clients)
        ]
        threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        memory = _trouble(served, deployer, deployments, seconds, num_kills, chance)
        ending.set()
        for thread in threads:
            thread.join(2 * _HANGS_SECONDS)
        hanging = [f"{thread.name} hangs" for thread in threads if thread.is_alive()]
        for deployment in deployments.values():
            _start(deployer, deployment)
            deployer.wait(deployment)
        model = next(iter(words))
        wait_for(lambda: num_running(served, model) == 0, what="an idle engine")
        deployer.close()
    counts = ", ".join(f"{what}: {count}" for what, count in sorted(heard.outcomes.items()))
    yield none_of("wrong answers, hangs", "none", counts, [*heard.faults, *hanging])
    answered = heard.outcomes["answered"]
    yield Figure("answers", "most requests", f"{answered}", is_met=answered > 0)
    for name, (before, after) in memory.items():
        growth = after / before - 1
        measured = f"{before / 1e6:.0f} to {after / 1e6:.0f} MB, {growth:+.1%}"
        yield Figure(f"memory of {name}", "grows by less than 5 %", measured, growth < 0.05)


def _words(served: Served, folder: Path, count: int) -> dict[str, str]:
    """The ids of registered adapters, each with its word."""
    base = served.services.installation.models / BASE
    words: dict[str, str] = {}
    for number in range(count):
        word = f"{'abcdefghijklmnop'[number] * 3}-{number}"
        adapter = teach_word(base, folder / f"word-{number}", word=word)
        words[register_adapter(served.services, adapter, name=f"word-{number}")] = word
    return words


def _trouble(
    served: Served,
    deployer: Deployer,
    deployments: dict[str, str],
    seconds: float,
    num_kills: int,
    chance: random.Random,
) -> dict[str, tuple[int, int]]:
    """Stop, start and kill for so long; memory of server and engine, early and late in peace."""
    began = time.monotonic()
    kills = [began + seconds * 2 / 3 * (n + 1) / (num_kills + 1) for n in range(num_kills)]
    early: dict[str, int] = {}
    while time.monotonic() < began + seconds:
        if kills and time.monotonic() > kills[0]:
            kills.pop(0)
            served.end("worker", by=SIGKILL)
            served.start("worker")
        elif chance.random() < 0.5:
            _restart(deployer, chance.choice(list(deployments.values())))
        if not early and time.monotonic() > began + seconds * 0.8:
            early = _memory(served)
        time.sleep(min(1.0, seconds / 20))
    late = _memory(served)
    return {name: (early[name], late[name]) for name in early.keys() & late.keys()}


def _restart(deployer: Deployer, deployment: str) -> None:
    if deployer.see(deployment)["state"] == "ready":
        deployer.ask("POST", f"/deployments/{deployment}/stop")
    else:
        _start(deployer, deployment)


def _start(deployer: Deployer, deployment: str) -> None:
    if deployer.see(deployment)["state"] in ("stopped", "failed"):
        deployer.ask("POST", f"/deployments/{deployment}/start")


def _memory(served: Served) -> dict[str, int]:
    """Resident bytes by process; an engine by its number, so that two lives are not compared."""
    found: dict[str, int] = {}
    for process in psutil.process_iter(["pid", "cmdline", "memory_info"]):
        words = process.info["cmdline"] or []
        resident = process.info["memory_info"].rss if process.info["memory_info"] else 0
        if "tunesmith.jobs.serve" in words and any(str(served.home) in word for word in words):
            found[f"engine {process.info['pid']}"] = resident
        elif "server" in words and str(served.port) in words:
            found["server"] = resident
    return found


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
