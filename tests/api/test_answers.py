"""The official client talks to deployed models, through server, worker and engine process."""

import json
from collections.abc import Callable, Generator
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.api.deployed import Deployer, make_and_register, num_running, wait_for
from tests.api.openai_client import Clients
from tests.api.serving import BASE, Served
from tests.serving.encoder import make_tiny_encoder
from tunesmith.artifacts import commit_folder

pytestmark = pytest.mark.timeout(180)

ENCODER = "all-minilm-l6-v2"  # a tiny one stands in for it
HELLO = [{"role": "user", "content": "hello"}]
LONG = 800  # tokens of each of several choices: seconds of writing


@pytest.fixture(scope="module")
def deployer(served: Served) -> Generator[Deployer]:
    made = Deployer(served, served.key)
    yield made
    made.close()


@pytest.fixture(scope="module")
def support(served: Served, deployer: Deployer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of a deployed adapter that was trained with a system prompt; its base is as well."""
    scratch = tmp_path_factory.mktemp("support")
    model = make_and_register(
        served.services, scratch, name="support", seed=1, system_prompt="Be brief."
    )
    deployer.ready(BASE)
    deployer.ready("support")
    return model


def test_an_answer_is_whole_and_in_pieces_the_same(owner: OpenAI, support: str) -> None:
    asked = {"model": support, "messages": HELLO, "temperature": 0, "max_tokens": 12}
    whole = owner.chat.completions.create(**asked)
    chunks = list(
        owner.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert whole.choices[0].message.content == text
    assert whole.model == support
    assert chunks[-1].usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 12
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    without = list(owner.chat.completions.create(**asked, stream=True))
    assert all(chunk.choices for chunk in without)  # nobody asked for the counts


def test_adapter_and_base_differ_and_the_adapters_system_prompt_is_its_own(
    owner: OpenAI, support: str
) -> None:
    def ask(model: str, *messages: dict[str, str]) -> tuple[str, int]:
        answer = owner.chat.completions.create(
            model=model, messages=[*messages, *HELLO], temperature=0, max_tokens=12
        )
        assert answer.usage is not None
        return answer.choices[0].message.content or "", answer.usage.prompt_tokens

    by_name, by_id = ask("support"), ask(support)
    assert by_name == by_id == ask("support", {"role": "system", "content": "Be brief."})
    assert by_name[0] != ask(BASE)[0]
    assert by_name[0] != ask("support", {"role": "system", "content": "Be long."})[0]


def test_a_seed_decides_and_choices_differ(owner: OpenAI, support: str) -> None:
    def ask(seed: int, n: int) -> list[str | None]:
        answer = owner.chat.completions.create(
            model=support, messages=HELLO, seed=seed, n=n, max_tokens=10, temperature=1.5
        )
        return [choice.message.content for choice in answer.choices]

    first = ask(7, 3)
    assert first == ask(7, 3)
    assert len(set(first)) == 3
    assert ask(8, 1) == [first[1]]  # choice i has the seed's i-th successor


def test_logprobs_and_stop(owner: OpenAI, support: str) -> None:
    asked = {"model": support, "messages": HELLO, "temperature": 0, "max_tokens": 10}
    answer = owner.chat.completions.create(**asked, logprobs=True, top_logprobs=3)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert len(logprobs.content) == 10
    for token in logprobs.content:
        assert token.logprob == max(each.logprob for each in token.top_logprobs)
        assert len(token.top_logprobs) == 3
    text = answer.choices[0].message.content or ""
    cut = owner.chat.completions.create(**asked, stop=[text[2:4]])
    assert cut.choices[0].message.content == text[:2]
    assert cut.choices[0].finish_reason == "stop"


def test_answers_that_are_json(owner: OpenAI, support: str) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "maximum": 9}},
        "required": ["n"],
        "additionalProperties": False,
    }
    answer = owner.chat.completions.create(
        model=support,
        messages=HELLO,
        max_tokens=40,
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
    )
    assert isinstance(json.loads(answer.choices[0].message.content or "")["n"], int)


def test_tools_reach_the_template(owner: OpenAI, support: str) -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    answer = owner.chat.completions.create(
        model=support,
        messages=[
            *HELLO,
            {"role": "assistant", "content": "calling", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "2"},
        ],
        tools=[tool],
        max_tokens=3,
    )
    assert answer.choices[0].message.content is not None
    broken = {**call, "function": {"name": "add", "arguments": "{"}}
    with pytest.raises(openai.BadRequestError, match="not JSON"):
        owner.chat.completions.create(
            model=support,
            messages=[{"role": "assistant", "tool_calls": [broken]}],
            tools=[tool],
        )


def test_a_required_call_comes_through_the_service(
    owner: OpenAI, deployer: Deployer, support: str
) -> None:
    digit = {"type": "integer", "minimum": 0, "maximum": 9}
    parameters = {"type": "object", "properties": {"n": digit}, "required": ["n"]}
    parameters["additionalProperties"] = False
    tool = {"type": "function", "function": {"name": "double", "parameters": parameters}}
    with owner.chat.completions.stream(
        model=support, messages=HELLO, tools=[tool], tool_choice="required", max_tokens=60
    ) as stream:
        [choice] = stream.get_final_completion().choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    [call] = choice.message.tool_calls
    assert call.function.name == "double"
    assert json.loads(call.function.arguments)["n"] in range(10)
    assert _logged(deployer, lambda line: '"double"' in line["answer"])


def test_completions_of_several_prompts(owner: OpenAI, support: str) -> None:
    answer = owner.completions.create(
        model=support, prompt=["one", "two"], n=2, max_tokens=4, temperature=0, logprobs=1
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert answer.choices[0].text == answer.choices[1].text
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.tokens is not None
    assert len(answer.choices[0].logprobs.tokens) == 4
    pieces = owner.completions.create(
        model=support, prompt="one", max_tokens=4, temperature=0, stream=True
    )
    assert "".join(piece.choices[0].text for piece in pieces) == answer.choices[0].text


def test_what_is_refused_is_refused_in_one_sentence(owner: OpenAI, support: str) -> None:
    def refused(match: str, **more: object) -> None:
        with pytest.raises(openai.BadRequestError, match=match):
            owner.chat.completions.create(**{"model": support, "messages": HELLO, **more})

    refused("1024 is the most", max_tokens=100_000)
    refused("frequency_penalty", frequency_penalty=0.5)
    refused("temprature", extra_body={"temprature": 1})
    refused("mean the same", max_tokens=5, max_completion_tokens=5)
    refused(
        "more than the .* tokens of context", messages=[{"role": "user", "content": "x" * 9999}]
    )
    with pytest.raises(openai.BadRequestError, match="no embeddings"):
        owner.embeddings.create(model=support, input="hello")


def test_a_model_of_others_is_none(clients: Clients, owner: OpenAI, support: str) -> None:
    stranger = clients.of_new_tenant("stranger")
    said = set()
    for model in (support, "support", BASE, "support@1", "no-such-model"):
        with pytest.raises(openai.NotFoundError) as refusal:
            stranger.chat.completions.create(model=model, messages=HELLO)
        said.add(refusal.value.message.replace(repr(model), "NAME"))
    assert len(said) == 1
    assert support not in {model.id for model in stranger.models.list()}


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_room_at_once(
    served: Served, deployer: Deployer, support: str, *, stream: bool
) -> None:
    with httpx2.Client(timeout=httpx2.Timeout(60, read=60 if stream else 0.5)) as client:
        asked = client.build_request(
            "POST",
            f"{served.address}/v1/chat/completions",
            json={
                "model": support,
                "messages": HELLO,
                "max_tokens": LONG,
                "n": 16,
                "stream": stream,
            },
            headers={"authorization": f"Bearer {served.key}"},
        )
        if stream:
            answer = client.send(asked, stream=True)
            next(answer.iter_lines())
            answer.close()
        else:
            with pytest.raises(httpx2.ReadTimeout):
                client.send(asked)
    wait_for(lambda: num_running(served, "support") == 0, what="room")
    line = wait_for(
        lambda: [e for e in deployer.ask("GET", "/requests")["data"] if e["status"] == 499],
        what="the log",
    )[0]
    assert line["model"] == support
    assert line["answer_tokens"] < 16 * LONG


def test_the_log_tells_what_was_asked_and_what_it_took(
    owner: OpenAI, deployer: Deployer, support: str
) -> None:
    secret = "ts-abcdefghijklmnopqrstuvwxyz"
    asked = [{"role": "user", "content": f"my key is {secret}, what now?"}]
    answer = owner.chat.completions.create(
        model="support", messages=asked, temperature=0, max_tokens=5, stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
    line = _logged(deployer, lambda line: "what now?" in line["prompt"])
    assert (line["kind"], line["model"], line["status"]) == ("chat", support, 200)
    assert line["answer_tokens"] == 5
    assert line["answer"] == text.replace("\0", "\ufffd")
    assert 0 < line["first_token_milliseconds"] <= line["milliseconds"]
    assert secret not in line["prompt"]
    deployer.ask("PATCH", "/request-log", json={"redacts_texts": True})
    owner.chat.completions.create(model="support", messages=asked, max_tokens=5)
    redacted = _logged(deployer, lambda line: line["prompt"] is None, since=line["time"])
    deployer.ask("PATCH", "/request-log", json={"redacts_texts": False})
    assert redacted["answer"] is None
    assert redacted["prompt_sha256"] == line["prompt_sha256"]
    assert redacted["prompt_characters"] > 20


def _logged(
    deployer: Deployer, holds: Callable[[dict[str, Any]], bool], **chosen: str
) -> dict[str, Any]:
    """The newest line of the log of which that holds; lines are written behind the answers."""

    def found() -> list[dict[str, Any]]:
        data = deployer.ask("GET", "/requests", params=chosen)["data"]
        return [line for line in data if line["status"] == 200 and holds(line)]

    return wait_for(found, what="the log")[0]


def test_a_deployed_encoder_embeds_and_is_not_asked_to_write(
    served: Served, owner: OpenAI, deployer: Deployer
) -> None:
    folder = served.services.installation.models / ENCODER
    commit_folder(folder, kind="base-model", write=make_tiny_encoder)
    deployer.ready(ENCODER)
    answer = owner.embeddings.create(model=ENCODER, input=["is it open", "a b " * 40])
    assert [len(each.embedding) for each in answer.data] == [32, 32]
    assert answer.model_extra is not None
    assert [each["index"] for each in answer.model_extra["truncated"]] == [1]
    compare = {"kind": "compare", "models": [{"model": ENCODER}], "prompts": [{"prompt": "hi"}]}
    with pytest.raises(AssertionError, match="is a sentence encoder"):
        deployer.ask("POST", "/jobs", json={"job": compare})
