"""`tunesmith serve` answers OpenAI's client from a terminal, or says why not."""

from pathlib import Path

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.cli.command import tunesmith
from tests.cli.foreground import foreground
from tests.conftest import make_tiny_model
from tests.serving.adapters import make_adapter
from tests.serving.encoder import make_tiny_encoder
from tunesmith.artifacts import commit_folder

BASE = "smollm2-135m"  # a tiny model stands in for it
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    base = folder / "models" / BASE
    commit_folder(base, kind="base-model", write=lambda target: make_tiny_model(target) and None)
    make_adapter(base, folder / "shop", kind="lora", seed=1, scale=0.5)
    make_tiny_encoder(folder / "encoder")
    return folder


def test_a_base_and_an_adapter_answer_and_another_comes(home: Path, tmp_path: Path) -> None:
    shop = str(home / "shop")
    with foreground(home, BASE, shop, "--key", "secret") as address:
        client = OpenAI(base_url=address, api_key="secret")
        assert [model.id for model in client.models.list()] == [BASE, "shop"]
        said = {
            model: client.chat.completions.create(
                model=model, messages=HELLO, temperature=0, max_tokens=8
            )
            .choices[0]
            .message.content
            for model in (BASE, "shop")
        }
        assert said[BASE] != said["shop"]

        root, headers = address.removesuffix("/v1"), {"authorization": "Bearer secret"}
        other = make_adapter(home / "models" / BASE, tmp_path / "other", kind="prefix", seed=2)
        asked = {"lora_name": "other", "lora_path": str(other)}
        loaded = httpx2.post(f"{root}/v1/load_lora_adapter", json=asked, headers=headers)
        assert loaded.status_code == 200
        assert client.completions.create(model="other", prompt="hi", max_tokens=3).choices
        gone = {"lora_name": "other"}
        httpx2.post(f"{root}/v1/unload_lora_adapter", json=gone, headers=headers)
        with pytest.raises(openai.NotFoundError):
            client.completions.create(model="other", prompt="hi", max_tokens=3)
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="wrong").models.list()
        assert httpx2.get(f"{root}/health").status_code == 200
        client.close()


def test_an_encoder_embeds(home: Path) -> None:
    with foreground(home, str(home / "encoder")) as address:
        client = OpenAI(base_url=address, api_key="none")
        texts = ["is it open", "open is it", "no"]
        found = client.embeddings.create(model="encoder", input=texts)
        assert [len(each.embedding) for each in found.data] == [32, 32, 32]
        assert sum(x * x for x in found.data[0].embedding) == pytest.approx(1, abs=1e-5)
        numbers = client.embeddings.create(model="encoder", input=texts[2], encoding_format="float")
        assert numbers.data[0].embedding == pytest.approx(found.data[2].embedding, abs=1e-5)
        with pytest.raises(openai.BadRequestError, match="writes no texts"):
            client.chat.completions.create(model="encoder", messages=HELLO)
        client.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([BASE, "--host", "0.0.0.0"], "nothing encrypts"),
        ([BASE, "--host", "0.0.0.0", "--behind-proxy"], "can be reached by others"),
        (["nothing-here"], "no run, base model or folder 'nothing-here'"),
        ([BASE, "--memory", "0.1"], "GB of memory"),
        ([BASE, "--set", "kv_token=5"], "kv_token"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(
    home: Path, arguments: list[str], said: str
) -> None:
    outcome = tunesmith("serve", *arguments, home=home)
    assert outcome.code == 2
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_two_bases_are_two_servers(home: Path) -> None:
    make_tiny_model(home / "second", seed=5)
    outcome = tunesmith("serve", BASE, home / "second", home=home)
    assert outcome.code == 2
    assert "one base model" in outcome.err
