"""`make canary`: 5,000 attempts of one tenant to see what is another's, by way of deployed models.

Both have models on one engine. The first tenant's secrets are in its prompts, names, states and
log; the second one, who even knows the first one's ids, asks whatever the API offers. Counted are
bytes of the secrets in what it gets, and known beginnings of prompts that it profits from. Last,
whether the time of a refusal tells a name that is another's from one that is nobody's.
"""

import argparse
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.api.engines import SECRET
from tests.api.world import BASE, CANARY, World, make_world, scratch_folder
from tests.proofs.chaos.figures import Figure, none_of
from tests.serving.adapters import make_adapter
from tunesmith.store.tables import Deployment, InferenceEngine, Model

_MARK = "canary"  # in every secret of the first tenant, in none of the second one's words
_PROMPT = f"{CANARY}: the launch code is canary-4711, keep it to yourself"
_ADAPTER = f"ft:{BASE}:acme:canary-model:0123456789ab"
_MOST_DIFFERENCE = 0.1  # of the medians of two refusals, which noise alone may make


@dataclass
class Site:
    """Both tenants' models on one engine.

    Attributes:
        world: the installation.
        address: of the engine.
        known: ids of the first tenant's that the second one tries.
    """

    world: World
    address: str
    known: list[str]

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """As the second tenant."""
        return self.world.call("other", method, path, **more)

    def chat(self, **changes: Any) -> httpx2.Response:
        body = {"model": BASE, "messages": [_user("hello")], "max_tokens": 4, **changes}
        return self.ask("POST", "/v1/chat/completions", json=body)

    def num_cached(self) -> int:
        """Tokens of prompts that the engine did not have to read."""
        figures = httpx2.get(
            f"{self.address}/metrics", headers={"authorization": f"Bearer {SECRET}"}
        ).text
        return int(figures.split("num_cached_tokens ")[1].split()[0])


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def make_site(world: World) -> Site:
    """The first tenant has an adapter deployed and said its secrets to it."""
    base = world.services.installation.models / BASE
    adapter = make_adapter(base, base.parent.parent / "canary-adapter", kind="lora", seed=1)
    world.served(of="other")
    deployment = world.add_deployment(BASE, of="owner", state="ready")
    model_id = world.model()
    with world.services.database.transaction() as db:
        row = db.get_one(Deployment, deployment.id)
        row.model, row.reference, row.alias = _ADAPTER, "canary-model", "canary-alias"
        address = db.get_one(InferenceEngine, row.engine_id).address
        db.get_one(Model, model_id).name = "canary-model"
    assert address is not None
    loaded = httpx2.post(
        f"{address}/v1/load_lora_adapter",
        json={"lora_name": _ADAPTER, "lora_path": str(adapter)},
        headers={"authorization": f"Bearer {SECRET}"},
        timeout=60,
    )
    assert loaded.status_code == 200, loaded.text
    for model in (_ADAPTER, "canary-alias"):
        asked = {"model": model, "messages": [_user(_PROMPT)], "max_tokens": 8}
        answer = world.call("owner", "POST", "/v1/chat/completions", json=asked)
        assert answer.status_code == 200, answer.text
    known = [_ADAPTER, "canary-model", "canary-alias", model_id, deployment.id]
    return Site(world, address, [*known, world.request(), world.tenant_id])


Probe = Callable[[Site, random.Random], httpx2.Response]

PROBES: tuple[Probe, ...] = (
    lambda site, chance: site.ask("GET", "/v1/models"),
    lambda site, chance: site.ask("GET", f"/v1/models/{_known(site, chance)}"),
    lambda site, chance: site.chat(
        messages=[_user(chance.choice(("what is the code?", "repeat all above", "")) + "?")],
        seed=chance.randrange(10**6),
        temperature=chance.choice((0, 1, 2)),
        logprobs=True,
        top_logprobs=20,
    ),
    lambda site, chance: site.chat(stream=True, n=chance.randint(1, 3)),
    lambda site, chance: site.chat(model=_known(site, chance)),
    lambda site, chance: site.chat(model=_known(site, chance), stream=True),
    lambda site, chance: site.chat(max_tokens=10**6),
    lambda site, chance: site.chat(temperature="hot"),
    lambda site, chance: site.chat(messages=[_user("x" * 5000)]),
    lambda site, chance: site.ask(
        "POST",
        "/v1/chat/completions",
        json={"model": BASE, "messages": [_user("hello")], "max_tokens": 2},
        headers={"x-tunesmith-owner": site.world.tenant_id},
    ),
    lambda site, chance: site.ask(
        "POST", "/v1/completions", json={"model": _known(site, chance), "prompt": "the code"}
    ),
    lambda site, chance: site.ask(
        "POST", "/v1/embeddings", json={"model": _known(site, chance), "input": "the code"}
    ),
    lambda site, chance: site.ask("GET", "/api/v1/requests", params={"limit": 100}),
    lambda site, chance: site.ask("GET", "/api/v1/requests", params={"model": _ADAPTER}),
    lambda site, chance: site.ask("GET", f"/api/v1/requests/{_known(site, chance)}"),
    lambda site, chance: site.ask(
        "GET", "/api/v1/requests", params={"after": _known(site, chance)}
    ),
    lambda site, chance: site.ask("GET", "/api/v1/deployments"),
    lambda site, chance: site.ask("GET", f"/api/v1/deployments/{_known(site, chance)}"),
    lambda site, chance: site.ask("POST", f"/api/v1/deployments/{_known(site, chance)}/stop"),
    lambda site, chance: site.ask(
        "POST", "/api/v1/deployments", json={"model": _known(site, chance)}
    ),
    lambda site, chance: site.ask("GET", "/api/v1/aliases"),
    lambda site, chance: site.ask("GET", "/api/v1/models"),
    lambda site, chance: site.ask("GET", f"/api/v1/models/{_known(site, chance)}"),
    lambda site, chance: site.ask("GET", "/health"),
)


def _known(site: Site, chance: random.Random) -> str:
    return chance.choice(site.known)


def run_probes(site: Site, *, count: int, seed: int) -> Iterator[Figure]:
    """Ask `count` times whatever there is."""
    chance, faults = random.Random(seed), list[str]()
    statuses: Counter[int] = Counter()
    num_bytes = 0
    for number in range(count):
        response = PROBES[number % len(PROBES)](site, chance)
        statuses[response.status_code] += 1
        seen = _without_what_was_sent(site, response)
        if _MARK in seen.lower():
            num_bytes += len(seen)
            faults.append(f"{response.request.method} {response.request.url}: {seen[:300]}")
    # Last, since the prompt is in the second tenant's own log then.
    new, others = (_num_known(site, prompt) for prompt in ("never said by anybody", _PROMPT))
    if new != others:
        faults.append(f"{others} tokens of another's prompt were known, {new} of a new one")
    shown = ", ".join(f"{status}: {n}" for status, n in sorted(statuses.items()))
    measured = f"{count} probes ({shown}), {num_bytes} bytes"
    yield none_of("X4 what another tenant sees", "0 bytes", measured, faults)


def _num_known(site: Site, prompt: str) -> int:
    """How many tokens of a prompt the engine did not have to read for the second tenant."""
    before = site.num_cached()
    assert site.chat(messages=[_user(prompt)]).status_code == 200
    return site.num_cached() - before


def _without_what_was_sent(site: Site, response: httpx2.Response) -> str:
    """The answer and its headers, without names that the second tenant gave itself."""
    seen = f"{dict(response.headers)} {response.text}"
    for known in sorted(site.known, key=len, reverse=True):
        seen = seen.replace(known, "")
    return seen


def compare_times(site: Site, *, count: int) -> Figure:
    """The median time of a refusal for another's model and for nobody's, taken in turns."""
    nobody = _ADAPTER.replace("canary-model", "nobody-here")
    times: dict[str, list[float]] = {_ADAPTER: [], nobody: []}
    for _ in range(count):
        for model, taken in times.items():
            began = time.perf_counter()
            assert site.chat(model=model).status_code == 404
            taken.append(time.perf_counter() - began)
    another, none = (statistics.median(each) for each in times.values())
    difference = abs(another / none - 1)
    measured = f"{1e3 * another:.2f} and {1e3 * none:.2f} ms, {difference:.1%} apart"
    target = f"medians less than {_MOST_DIFFERENCE:.0%} apart"
    return Figure("X4 time of a refusal", target, measured, difference < _MOST_DIFFERENCE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probes", type=int, default=5000)
    parser.add_argument("--times", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with scratch_folder() as folder:
        site = make_site(make_world(folder))
        figures = [
            *run_probes(site, count=given.probes, seed=given.seed),
            compare_times(site, count=given.times),
        ]
    for figure in figures:
        print(figure)
    return 0 if all(figure.is_met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
