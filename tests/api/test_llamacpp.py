"""The engine llama.cpp behind the same API, through server, worker and its own process."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.api.deployed import Deployer, make_and_register
from tests.api.openai_client import Clients
from tests.api.serving import BASE, Served, serving
from tests.conftest import make_tiny_model
from tests.serving.adapters import reference
from tests.serving.gguf_model import write_gguf
from tests.serving.test_exactness import LIVELY
from tunesmith.artifacts import commit_folder
from tunesmith.text.codec import TextCodec
from tunesmith.text.conversation import Message

pytestmark = pytest.mark.timeout(180)

HELLO = [{"role": "user", "content": "hello"}]
PLAIN = "hello world"
GREEDY = {"temperature": 0, "max_tokens": 16}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, "server", "worker", **LIVELY) as running:
        yield running


@pytest.fixture(scope="module")
def deployer(served: Served) -> Generator[Deployer]:
    made = Deployer(served, served.key)
    yield made
    made.close()


def test_without_a_gguf_file_it_says_what_it_lacks(deployer: Deployer) -> None:
    request = {"model": BASE, "engine": "llamacpp"}
    refused = deployer.call("POST", "/deployments", json=request)
    assert refused.status_code == 400
    assert "has no .gguf file" in refused.json()["message"]
    engines = deployer.ask("GET", "/deployments/engines", params={"model": BASE})["data"]
    obstacles = {each["engine"]: each["obstacle"] for each in engines}
    assert obstacles["reference"] == ""
    assert "has no .gguf file" in obstacles["llamacpp"]
    assert obstacles["vllm"] == "the engine vllm is not installed"


@pytest.fixture(scope="module")
def folder(served: Served) -> Path:
    """The base model, with its GGUF file since now."""
    folder = served.services.installation.models / BASE
    commit_folder(
        folder,
        kind="base-model",
        write=lambda target: write_gguf(make_tiny_model(target, **LIVELY)) and None,
    )
    return folder


@pytest.fixture(scope="module")
def client(clients: Clients, owner: OpenAI, deployer: Deployer, folder: Path) -> OpenAI:
    assert deployer.see(deployer.ready(BASE, engine="llamacpp"))["engine"] == "llamacpp"
    return owner


def _expected(folder: Path) -> list[str]:
    """What transformers writes in float32, of a chat and of plain text."""
    codec = TextCodec.from_folder(folder)
    prompts = [codec.encode_prompt([Message("user", "hello")]), codec.encode_text(PLAIN)]
    return [codec.decode(ids) for ids in reference(folder, None, prompts, max_new_tokens=16)]


def test_greedy_answers_are_those_of_transformers(client: OpenAI, folder: Path) -> None:
    chat, plain = _expected(folder)
    whole = client.chat.completions.create(model=BASE, messages=HELLO, **GREEDY)
    assert whole.choices[0].message.content == chat
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 16
    assert client.completions.create(model=BASE, prompt=PLAIN, **GREEDY).choices[0].text == plain

    usage = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(
            model=BASE, messages=HELLO, stream=True, stream_options=usage, **GREEDY
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == chat
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 16

    stop = plain[4:6]
    cut = client.completions.create(model=BASE, prompt=PLAIN, stop=[stop], **GREEDY).choices[0]
    assert (cut.text, cut.finish_reason) == (plain[: plain.index(stop)], "stop")


def test_seeds_json_and_what_is_refused(client: OpenAI) -> None:
    def ask(**more: Any) -> str | None:
        answer = client.chat.completions.create(
            model=BASE, **{"messages": HELLO, "max_tokens": 60, **more}
        )
        return answer.choices[0].message.content

    assert ask(seed=7) == ask(seed=7) != ask(seed=8)
    digit = {"type": "integer", "minimum": 0, "maximum": 9}
    schema = {"type": "object", "properties": {"n": digit}, "required": ["n"]}
    schema["additionalProperties"] = False
    named = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    assert json.loads(ask(response_format=named) or "")["n"] in range(10)
    with pytest.raises(openai.BadRequestError, match="context size"):
        ask(messages=[{"role": "user", "content": "x" * 20_000}])


def test_adapters_are_refused(served: Served, deployer: Deployer, tmp_path: Path) -> None:
    make_and_register(served.services, tmp_path, name="shop", seed=1)
    with pytest.raises(AssertionError, match="shop is an adapter, the engine llamacpp serves base"):
        deployer.deploy("shop", engine="llamacpp")
