"""The official client of OpenAI against a service of ours."""

import json
import time
from collections.abc import Callable

import httpx2
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.api.serving import BASE, Served

UNKNOWN = "ftjob-000000000000000000000000"

_PATIENCE_SECONDS = 90


class Clients:
    """Clients of one service, and every answer that they got."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.answers: list[str] = []
        self._open: list[httpx2.Client] = []

    def client(self, key: str) -> OpenAI:
        """As a user makes it, but for the ear that listens to the answers."""
        http = httpx2.Client(event_hooks={"response": [self._keep]})
        self._open.append(http)
        return OpenAI(base_url=f"{self._served.address}/v1", api_key=key, http_client=http)

    def _keep(self, response: httpx2.Response) -> None:
        self.answers.append(f"{response.headers}\n{response.read().decode()}")

    def close(self) -> None:
        """Close every client's connections."""
        for http in self._open:
            http.close()

    def of_new_tenant(self, name: str) -> OpenAI:
        """The client of the owner of a tenant that is made for it."""
        return self.client(self._served.add_member(f"{name}@example.org", tenant=name))


def chats(count: int, *, broken: int = 0) -> bytes:
    """Training data: `count` conversations, and rows that are none."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"say {number}"},
                {"role": "assistant", "content": f"the answer is {number}"},
            ]
        }
        for number in range(count)
    ]
    lines = [json.dumps(row) for row in rows] + ['{"something": "else"}'] * broken
    return "".join(f"{line}\n" for line in lines).encode()


def upload(client: OpenAI, content: bytes, *, name: str = "support.jsonl") -> str:
    """The id of a new file to train on."""
    return client.files.create(file=(name, content), purpose="fine-tune").id


def queue_far_away(client: OpenAI, file_id: str, **more: object) -> FineTuningJob:
    """A job for a pool that has no worker: it stays in the queue."""
    return client.fine_tuning.jobs.create(
        model=BASE, training_file=file_id, extra_body={"pool": "far-away"}, **more
    )


def wait_until(
    client: OpenAI, job_id: str, reached: Callable[[FineTuningJob], bool]
) -> FineTuningJob:
    """The job as soon as it is as wanted."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        job = client.fine_tuning.jobs.retrieve(job_id)
        if reached(job):
            return job
        assert time.monotonic() < deadline, f"not reached: {job}"
        time.sleep(0.1)
