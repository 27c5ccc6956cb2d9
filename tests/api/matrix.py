"""`python -m tests.api.matrix`: every route x verb x caller, expected from what the route declares.

Generated from the OpenAPI file, with real objects of one tenant for every id in a path. What each
caller may do follows from `x-access` and the table of roles; another tenant's owner gets 404 for
what is not theirs. Every changing call that was let in must be in the audit log.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from tests.api.world import BASE, CANARY, PASSWORD, World, make_world, scratch_folder
from tunesmith.service.access import BY_ROLE, OF_ADMINS, Permission
from tunesmith.store.tables import Audit

CALLERS = ("none", "bad key", "other", "viewer", "member", "owner", "admin")
_MAY: Mapping[str, frozenset[Permission]] = {
    "none": frozenset(),
    "bad key": frozenset(),
    "other": BY_ROLE["owner"],
    "viewer": BY_ROLE["viewer"],
    "member": BY_ROLE["member"],
    "owner": BY_ROLE["owner"],
    "admin": OF_ADMINS,
}
_QUERY = {"section": "facts", "model": BASE}  # parameters that do not name a dataset
_NO_IDS = ("month",)  # parameters of paths that name nothing that belongs to somebody


@dataclass(frozen=True)
class Operation:
    """A route and verb of the OpenAPI file."""

    method: str
    path: str
    facts: Mapping[str, Any]

    @property
    def access(self) -> str:
        return self.facts["x-access"]

    @property
    def parameters(self) -> list[str]:
        return [each["name"] for each in self.facts.get("parameters", []) if each["in"] == "path"]

    @property
    def names_something(self) -> bool:
        return any(name not in _NO_IDS for name in self.parameters)


@dataclass(frozen=True)
class Cell:
    """What came of one call."""

    operation: Operation
    caller: str
    expected: str
    status: int
    problem: str


def operations(world: World) -> list[Operation]:
    schema = world.client.get("/api/v1/openapi.json").json()
    return [
        Operation(method.upper(), path, facts)
        for path, verbs in schema["paths"].items()
        for method, facts in verbs.items()
    ]


def expectation(operation: Operation, caller: str) -> str:
    """`allowed`, or the status of the refusal."""
    if operation.access == "public":
        return "as for all"
    if caller in ("none", "bad key"):
        return "401"
    if operation.access not in _MAY[caller]:
        return "403"
    is_foreign = caller in ("other", "admin") and operation.access != Permission.OPERATE
    return "404" if is_foreign and operation.names_something else "allowed"


def cells(world: World) -> Iterator[Cell]:
    for operation in operations(world):
        statuses = set()
        for caller in CALLERS:
            cell = _try(world, operation, caller)
            statuses.add(cell.status)
            yield cell
        if operation.access == "public" and len(statuses) > 1:
            yield Cell(operation, "all", "as for all", 0, f"answers differ: {statuses}")


def _try(world: World, operation: Operation, caller: str) -> Cell:
    expected = expectation(operation, caller)
    path = operation.path
    for name in operation.parameters:
        path = path.replace(f"{{{name}}}", world.make(name))
    response = world.call(
        world.twin(caller), operation.method, path, **_arguments(world, operation, caller)
    )
    problem = _problem(world, operation, expected, response)
    if caller == "other" and CANARY in response.text:
        problem = "shows what is another tenant's"
    return Cell(operation, caller, expected, response.status_code, problem)


def _arguments(world: World, operation: Operation, caller: str) -> dict[str, Any]:
    """Query and body of a call that would succeed."""
    arguments: dict[str, Any] = {}
    required = [each for each in operation.facts.get("parameters", []) if each.get("required")]
    arguments["params"] = {
        e["name"]: _QUERY.get(e["name"], "questions") for e in required if e["in"] == "query"
    }
    content = operation.facts.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        return arguments | {"files": {"file": ("a.jsonl", b"{}")}, "data": {"purpose": "fine-tune"}}
    if "application/json" in content:
        example = content["application/json"]["example"]
        return arguments | {"json": {**example, **_instead(world, operation, caller)}}
    return arguments


def _instead(world: World, operation: Operation, caller: str) -> dict[str, Any]:
    """What has to be real in a body, or new."""
    match operation.facts["operationId"]:
        case "openai_create_job":
            return {"training_file": world.file(of=_tenant(caller))}
        case "openai_create_chat_completion" | "openai_create_completion":
            return {"model": world.served(of=_tenant(caller)), "max_tokens": 2}
        case "openai_create_embeddings":
            return {"model": world.served(of=_tenant(caller), writes=False), "input": "is it open"}
        case "deploy_model":
            return {"model": BASE}
        case "set_alias":
            return {"model": world.model()}
        case "change_password":
            return {"old": PASSWORD, "new": PASSWORD}
        case "add_tenant":
            return {"name": world.fresh("tenant")}
        case "add_member" | "add_admin":
            return {"email": f"{world.fresh('new')}@example.org"}
        case "add_character" | "add_prompt":
            return {"name": world.fresh("entry")}
        case "register_checkpoint":
            return {"name": world.fresh("registered")}
        case "make_transcript_dataset":
            return {"name": world.fresh("chats"), "transcripts": []}
        case "add_channel":
            return {"name": world.fresh("channel")}
        case "add_key":
            return {"permissions": ["keys"]}
        case "change_model":
            return {"name": world.fresh("renamed")}
        case _:
            return {}


def _tenant(caller: str) -> str:
    """The owner of the tenant that a caller is in, or would be."""
    return "other" if caller == "other" else "owner"


def _problem(world: World, operation: Operation, expected: str, response: Any) -> str:
    status = response.status_code
    if expected == "as for all":
        return "fails" if status >= 500 else ""
    if expected != "allowed":
        return "" if str(status) == expected else f"{status} instead of {expected}"
    # 409: the thing is there and theirs, and not in a state that allows this.
    if not (status < 300 or status == 409):
        return f"{status} although allowed: {response.text[:200]}"
    is_noted = operation.method != "GET" and operation.access != Permission.ASK
    if is_noted and not _is_audited(world, operation, response):
        return "is not in the audit log"
    return ""


def _is_audited(world: World, operation: Operation, response: Any) -> bool:
    request_id = response.headers["x-request-id"]
    with world.services.database.reading() as db:
        row = db.scalars(select(Audit).where(Audit.request_id == request_id)).one_or_none()
    named = operation.facts["operationId"].removeprefix("openai_")
    return row is not None and row.action == named


def main() -> int:
    began = time.monotonic()
    with scratch_folder() as folder:
        found = list(cells(make_world(folder)))
    for cell in found:
        if cell.problem:
            call = f"{cell.operation.method} {cell.operation.path}"
            print(f"{call} as {cell.caller}: {cell.problem}")
    print("caller       allowed   401   403   404  as for all  wrong")
    for caller in CALLERS:
        mine = [cell for cell in found if cell.caller == caller]
        counts = Counter(cell.expected for cell in mine)
        shown = "".join(f"{counts[each]:6}" for each in ("401", "403", "404"))
        wrong = sum(bool(cell.problem) for cell in mine)
        print(f"{caller:10}{counts['allowed']:10}{shown}{counts['as for all']:12}{wrong:7}")
    num_wrong = sum(bool(cell.problem) for cell in found)
    num_operations = len({(cell.operation.method, cell.operation.path) for cell in found})
    seconds = time.monotonic() - began
    print(f"{num_operations} operations, {len(found)} cells, {num_wrong} wrong, {seconds:.0f} s")
    return 1 if num_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
