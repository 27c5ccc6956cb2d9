"""What an attacker would try: other websites and hosts, names, archives, credentials, floods."""

import ast
import io
import json
import time
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from tests.api.world import PASSWORD, World, make_world, scratch_folder
from tests.cli.command import files_below
from tests.corpus.archive_cases import archive_cases
from tunesmith.api.server import check_exposure
from tunesmith.errors import RecipeInvalid
from tunesmith.schema import check_name
from tunesmith.service import people
from tunesmith.service.config import ServiceConfig
from tunesmith.service.logins import FREE_FAILURES
from tunesmith.service.services import open_services
from tunesmith.store.home import Home
from tunesmith.store.tables import Audit, Key

SOURCE = Path(__file__).parents[2] / "tunesmith"


@pytest.fixture(scope="module")
def world() -> Generator[World]:
    with scratch_folder() as folder:
        made = make_world(folder / "home")
        with made.client:
            yield made
        made.services.database.close()


# --- other websites and other hosts (X13) ----------------------------------------------------

FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:1"},
    {"origin": "http://localhost.evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "http://localhost", "sec-fetch-site": "cross-site"},
]
HOSTS = ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "0.0.0.0", "", "[::2]"]


def test_no_changing_call_of_another_website_gets_through(world: World) -> None:
    refused = 0
    for route in iter_route_contexts(world.client.app.routes):  # pyright: ignore
        for method in {*(route.methods or ())} - {"GET", "HEAD"}:
            path = (route.path or "").replace("{", "").replace("}", "")
            for headers in FOREIGN:
                response = world.call("owner", method, path, headers=headers)
                assert response.status_code == 403
                assert "origin_foreign" in response.text
                refused += 1
    assert refused > 200


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_leads_here_and_is_not_ours_is_refused(world: World, host: str) -> None:
    for path in ("/health", "/api/v1/jobs", "/api/v1/openapi.json"):
        assert world.call("owner", "GET", path, headers={"host": host}).status_code == 403


def test_no_answer_invites_other_websites(world: World) -> None:
    response = world.call("owner", "GET", "/api/v1/me", headers={"origin": "https://evil.example"})
    assert not [name for name in response.headers if name.startswith("access-control")]


# --- names are not paths (X5, X17) -----------------------------------------------------------

_SEEDS = [
    *("..", "../x", "../../etc/passwd", "/etc/passwd", "..\\x", "a/../../b", "....//x", "./x"),
    *("%2e%2e/x", "%2e%2e%2fx", "..%2f", "..%5c", "%00", "a%00b", "a\0b", "x#y", "x?y", "x;y"),
    *("C:\\x", "\\\\host\\share", "//host/share", "file:///etc/passwd", "~", "~root", "$HOME"),
    *("a.b", ".", "...", "-rf", "--help", "con", "nul", "aux", "latest", " ", "\n", "a\nb", "\t"),
    *("$(touch x)", "`touch x`", "; touch x", "| touch x", "& touch x", "&& touch x", "x > y"),
    *("'", '"', "\\", "*", "?", "{a,b}", "!x", "\u202e", "\u200b", "ａ", "а", "\ud800", "é" * 200),
    *("a" * 129, "a" * 300, "%s", "%n", "{0}", "{{7*7}}", "${7*7}", "<script>", "' or 1=1 --"),
]
_AROUND = [(before, after) for before in ("", "x", "a/") for after in ("", "/y", "z")]
NAMES = [f"{before}{each}{after}" for each in _SEEDS for before, after in _AROUND]
# What a name rule allows is a name; it is not a path all the same.
_FIELDS = {
    "/api/v1/jobs": [
        ("recipe.name", lambda n: {"job": {"kind": "preflight", "recipe": _recipe(name=n)}}),
        ("recipe.model", lambda n: {"job": {"kind": "train", "recipe": _recipe(model=n)}}),
        ("data.train", lambda n: {"job": {"kind": "train", "recipe": _recipe(data={"train": n})}}),
        ("import.name", lambda n: {"job": {"kind": "import", "name": n, "file": "file-x"}}),
        ("import.file", lambda n: {"job": {"kind": "import", "name": "x", "file": n}}),
        ("import.url", lambda n: {"job": {"kind": "import", "name": "x", "url": n}}),
        ("pull.model", lambda n: {"job": {"kind": "pull", "model": n}}),
        ("preview.dataset", lambda n: {"job": {"kind": "preview", "dataset": n, "model": "m"}}),
        ("extend.run", lambda n: {"job": {"kind": "extend", "run": n}}),
        ("start_from", lambda n: {"job": {"kind": "train", "recipe": _recipe(), "start_from": n}}),
        ("pool", lambda n: {"job": {"kind": "pull", "model": "x"}, "options": {"pool": n}}),
    ],
    "/api/v1/datasets/questions/split": [("rest", lambda n: {"rest": n, "held_out": "x"})],
    "/api/v1/keys": [("name", lambda n: {"name": n})],
    "/api/v1/members": [("email", lambda n: {"email": n, "password": PASSWORD})],
}
_PATHS = (
    "datasets/{}/rows",
    "datasets/{}/export",
    "files/{}/content",
    "runs/{}",
    "models/{}/archive",
)


def _recipe(**changed: object) -> dict[str, object]:
    return {"name": "r", "model": "smollm2-135m", "data": {"train": "questions"}, **changed}


def test_no_name_leads_out_of_the_data_folder(world: World) -> None:
    """500 names in every field that takes one: nothing appears beside what was there before."""
    root = world.services.installation.folder.parent
    (root / "secret.txt").write_text("the secret beside the data folder")
    outside = {path for path in files_below(root) if not path.startswith("home")}
    assert len(set(NAMES)) >= 500
    for number, name in enumerate(NAMES):
        # Every field hears of every name in turn; each call tries one.
        for path, fields in _FIELDS.items():
            _, body = fields[number % len(fields)]
            text = json.dumps(body(name))
            headers = {"content-type": "application/json"}
            response = world.call("owner", "POST", path, content=text, headers=headers)
            assert response.status_code < 500, (path, name, response.text)
        path = _PATHS[number % len(_PATHS)].format(_quoted(name))
        response = world.call("owner", "GET", f"/api/v1/{path}")
        if response.status_code == 200:
            check_name(name)  # a dataset was made under it just before, for it is a lawful name
        else:
            assert response.status_code in (400, 404, 405, 422), (path, response.text[:200])
    assert {path for path in files_below(root) if not path.startswith("home")} == outside
    assert not [path for path in files_below(root) if Path(path).name in ("passwd", "x", "y")]


def _quoted(name: str) -> str:
    return "".join(f"%{byte:02x}" for byte in name.encode("utf-8", "surrogatepass"))


def test_no_code_of_ours_starts_a_shell() -> None:
    offences: list[str] = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                offences.append(f"{path}:{node.value.lineno}")
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in ("system", "popen"):
                offences.append(f"{path}:{node.lineno}")
    assert offences == []


# --- archives (X6) ---------------------------------------------------------------------------


def test_hostile_archives_come_no_further_than_their_bytes(world: World) -> None:
    """Uploading keeps bytes and opens nothing; what an import makes of them, tests/corpus says."""
    root = world.services.installation.folder.parent
    before = {path for path in files_below(root) if not path.startswith("home/tenants")}
    num_uploaded = 0
    for case in archive_cases():
        path = case.write(root / "home")
        content = path.read_bytes()
        path.unlink()
        if len(content) > 1_000_000:
            continue
        files = {"file": (case.name, io.BytesIO(content))}
        response = world.call("member", "POST", "/api/v1/files", files=files)
        assert response.status_code == 201, case.name
        assert response.json()["num_bytes"] == len(content)
        assert "/" not in response.json()["filename"]
        num_uploaded += 1
    assert num_uploaded >= 20
    assert {path for path in files_below(root) if not path.startswith("home/tenants")} == before


# --- credentials (X19, X20) ------------------------------------------------------------------


def test_a_revoked_key_is_refused_at_once(world: World) -> None:
    made = world.call("owner", "POST", "/api/v1/keys", json={"name": "soon gone"}).json()
    world.keys["doomed"] = made["secret"]
    assert world.call("doomed", "GET", "/api/v1/me").status_code == 200
    world.call("owner", "DELETE", f"/api/v1/keys/{made['key']['id']}")
    assert world.call("doomed", "GET", "/api/v1/me").status_code == 401


def test_an_expired_key_is_refused(world: World) -> None:
    made = world.call("owner", "POST", "/api/v1/keys", json={"name": "short", "days": 1}).json()
    world.keys["short"] = made["secret"]
    assert world.call("short", "GET", "/api/v1/me").status_code == 200
    with world.services.database.transaction() as db:
        key = db.get_one(Key, made["key"]["id"])
        key.expires_at = world.services.clock() - timedelta(seconds=1)
    assert world.call("short", "GET", "/api/v1/me").status_code == 401


def test_a_removed_members_key_ends_with_the_membership(world: World) -> None:
    body = {"email": "gone@example.org", "password": PASSWORD}
    person = world.call("owner", "POST", "/api/v1/members", json=body).json()["person_id"]
    login = {"email": "gone@example.org", "password": PASSWORD}
    world.client.post("/api/v1/sessions", json=login)
    cookies = dict(world.client.cookies)
    assert world.client.get("/api/v1/me").status_code == 200
    world.call("owner", "DELETE", f"/api/v1/members/{person}")
    world.client.cookies.update(cookies)
    assert world.client.get("/api/v1/me").status_code == 401
    world.client.cookies.clear()


def test_guessing_passwords_is_slowed_down(world: World) -> None:
    body = {"email": "ann@example.org", "password": "wrong password"}
    answers = [world.call("none", "POST", "/api/v1/sessions", json=body) for _ in range(8)]
    messages = [answer.json()["message"] for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert all("too many" in message for message in messages[FREE_FAILURES:])
    # The right password has to wait as well: nothing tells a guesser that it was right.
    body["password"] = PASSWORD
    assert world.call("none", "POST", "/api/v1/sessions", json=body).status_code == 401


def test_an_unknown_key_is_looked_up_by_hash_and_costs_no_comparison(world: World) -> None:
    """Secrets are never compared: equal work for a key that is nearly right and one that is not."""
    right = world.keys["owner"]
    for wrong in (right[:-1] + "x", "x", right + "x", right.upper(), ""):
        world.keys["wrong"] = wrong or " "
        assert world.call("wrong", "GET", "/api/v1/me").status_code == 401


def test_the_setup_secret_is_for_its_owners_eyes_and_works_once(tmp_path: Path) -> None:
    services = open_services(ServiceConfig(), Home(tmp_path))
    secret = people.ensure_setup_secret(services)
    path = people.setup_secret_file(services.installation)
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret is not None
    people.found(services, secret=secret, email="a@b.c", password=PASSWORD, tenant="acme")
    assert not path.exists()
    assert people.ensure_setup_secret(services) is None
    services.database.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "tune.example.org"])
def test_the_world_is_not_served_in_the_clear(host: str) -> None:
    with pytest.raises(RecipeInvalid, match="nothing encrypts"):
        check_exposure(ServiceConfig(host=host))
    check_exposure(ServiceConfig(host=host, behind_proxy=True))


# --- too much of everything (X15) ------------------------------------------------------------


def test_bodies_have_limits_whatever_their_headers_say(world: World) -> None:
    most = world.services.config.max_body_bytes
    large = b'{"name": "' + b"x" * most + b'"}'
    headers = {"content-type": "application/json"}

    def in_pieces() -> Generator[bytes]:
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000]

    for content in (large, in_pieces()):
        response = world.call("owner", "POST", "/api/v1/keys", content=content, headers=headers)
        assert response.status_code == 413
        assert response.json()["code"] == "body_too_large"


def test_nobody_unknown_may_upload_much(world: World) -> None:
    files = {"file": ("x", io.BytesIO(b"x" * (world.services.config.max_body_bytes + 1)))}
    assert world.call("none", "POST", "/api/v1/files", files=files).status_code == 413
    files = {"file": ("x", io.BytesIO(b"x" * (world.services.config.max_body_bytes + 1)))}
    assert world.call("member", "POST", "/api/v1/files", files=files).status_code == 201


DEEP = {
    "arrays": "[" * 100_000 + "]" * 100_000,
    "objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "digits": '{"days": ' + "9" * 10_000 + "}",
    "not a number": '{"name": "x", "days": NaN}',
    "half a pair": '{"name": "\\ud800", "\\udfff": 1}',
    "many keys": json.dumps({f"key{number}": 1 for number in range(50_000)}),
}


@pytest.mark.parametrize("kind", DEEP)
def test_malformed_bodies_are_refused_soon(world: World, kind: str) -> None:
    began = time.monotonic()
    headers = {"content-type": "application/json"}
    response = world.call("owner", "POST", "/api/v1/keys", content=DEEP[kind], headers=headers)
    assert response.status_code in (400, 422), response.text[:200]
    assert time.monotonic() - began < 5


def test_forms_have_few_fields(world: World) -> None:
    fields = {f"field{number}": "x" for number in range(2000)}
    files = {"file": ("x", b"x")}
    response = world.call("member", "POST", "/api/v1/files", data=fields, files=files)
    assert response.status_code == 400


def test_a_tenants_queue_is_no_larger_than_its_quota(world: World) -> None:
    tenant = world.tenant_id
    quotas = {"quotas": {"max_queued": 3}}
    world.call("admin", "PATCH", f"/api/v1/admin/tenants/{tenant}", json=quotas)
    job = {"job": {"kind": "preflight", "recipe": _recipe()}}
    statuses = [
        world.call("member", "POST", "/api/v1/jobs", json=job).status_code for _ in range(30)
    ]
    world.call(
        "admin",
        "PATCH",
        f"/api/v1/admin/tenants/{tenant}",
        json={"quotas": {"max_queued": None}},
    )
    assert statuses[-1] == 429
    assert statuses.count(201) <= 3
    assert world.call("other", "POST", "/api/v1/jobs", json=job).status_code == 201


# --- the audit log (X21) ---------------------------------------------------------------------


def test_a_line_taken_out_of_the_log_is_noticed(world: World) -> None:
    for number in range(3):
        world.call("owner", "POST", "/api/v1/keys", json={"name": f"k{number}"})
    intact = {"is_intact": True, "tampered": []}
    assert world.call("owner", "GET", "/api/v1/audit/verification").json() == intact
    with world.services.database.transaction() as db:
        db.delete(db.get_one(Audit, 2))
    found = world.call("owner", "GET", "/api/v1/audit/verification").json()
    assert found["is_intact"] is False
    assert 3 in found["tampered"]
