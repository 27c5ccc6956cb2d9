"""Comparisons and evaluations over HTTP: asked as jobs, done by a worker, voted on, taken home."""

import time
from collections.abc import Generator
from typing import Any

import httpx2
import pytest

from tests.api.serving import BASE, Served


@pytest.fixture(scope="module")
def client(served: Served) -> Generator[httpx2.Client]:
    headers = {"authorization": f"Bearer {served.key}"}
    with httpx2.Client(base_url=f"{served.address}/api/v1", headers=headers) as client:
        yield client


def call(client: httpx2.Client, method: str, path: str, **content: Any) -> Any:
    answer = client.request(method, path, **content)
    assert answer.is_success, answer.text
    return answer.json()


def finished(client: httpx2.Client, request: dict[str, Any]) -> str:
    """The id of a job that has succeeded."""
    job = call(client, "POST", "/jobs", json={"job": request})
    deadline = time.monotonic() + 60
    while job["status"] not in ("succeeded", "failed"):
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
        job = call(client, "GET", f"/jobs/{job['id']}")
    assert job["status"] == "succeeded", job["error"]
    return job["id"]


def test_a_comparison_from_question_to_vote(client: httpx2.Client, served: Served) -> None:
    request = {
        "kind": "compare",
        "name": "greetings",
        "models": [
            {"model": BASE},
            {"model": BASE, "label": "short", "system_prompt": "Be short."},
        ],
        "prompts": [{"prompt": "hello", "reference": "hi"}, {"prompt": "再见"}],
        "answers": {"max_tokens": 8},
    }
    comparison = finished(client, request)
    detail = call(client, "GET", f"/comparisons/{comparison}")
    assert detail["comparison"]["models"] == [BASE, "short"]
    assert [total["label"] for total in detail["summary"]["totals"]] == [BASE, "short"]
    assert set(detail["summary"]["totals"][0]["scores"]) == {"exact", "rouge-l", "bleu"}
    answers = call(client, "GET", f"/comparisons/{comparison}/answers")["data"]
    assert [each["messages"][-1]["content"] for each in answers] == ["hello", "再见"]
    [first] = call(client, "GET", f"/comparisons/{comparison}/blind?limit=1")["data"]
    assert sorted(first["answers"]) == ["A", "B"]
    assert "short" not in str(first)
    cast = call(client, "PUT", f"/comparisons/{comparison}/votes/1", json={"choice": "B"})
    assert sorted(cast["names"].values()) == sorted([BASE, "short"])
    totals = call(client, "GET", f"/comparisons/{comparison}/votes")
    assert sum(each["num_best"] for each in totals["standings"]) == 1
    [listed] = call(client, "GET", "/comparisons")["data"]
    assert (listed["id"], listed["name"], listed["num_votes"]) == (comparison, "greetings", 1)

    page = client.get(f"/comparisons/{comparison}/report")
    assert "sandbox" in page.headers["content-security-policy"]
    assert page.headers["content-disposition"].startswith("attachment")
    assert "再见" in page.text
    assert str(served.home) not in page.text + str(detail) + str(answers)


def test_an_evaluation_is_a_row_of_the_table(client: httpx2.Client, served: Served) -> None:
    task = {"name": "facts", "prompts": [{"prompt": "2 + 2?", "reference": "4|four"}]}
    request = {
        "kind": "evaluate",
        "models": [{"model": BASE, "label": "plain"}],
        "tasks": [task],
        "forgetting": True,
        "answers": {"max_tokens": 4},
    }
    evaluation = finished(client, request)
    [row] = call(client, "GET", "/evaluations", params={"model": BASE})["data"]
    assert (row["evaluation"], row["label"], row["name"]) == (evaluation, "plain", BASE)
    assert {"facts/contains", "general/perplexity"} < set(row["scores"])
    detail = call(client, "GET", f"/evaluations/{evaluation}")
    assert detail["results"]["figures"][0]["scores"] == row["scores"]
    [asked] = call(client, "GET", f"/evaluations/{evaluation}/answers?section=facts")["data"]
    assert asked["reference"] == "4|four"
    for section in ("..", "general/../facts", "nothing"):
        path = f"/evaluations/{evaluation}/answers"
        assert client.get(path, params={"section": section}).status_code == 404
    page = client.get(f"/evaluations/{evaluation}/report")
    assert "facts/contains" in page.text
    assert str(served.home) not in page.text + str(detail) + str(asked)
    assert client.delete(f"/evaluations/{evaluation}").status_code == 204
    assert call(client, "GET", "/evaluations")["data"] == []
