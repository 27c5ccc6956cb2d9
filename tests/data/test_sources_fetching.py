import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest

from tunesmith.data.sources import read_files, read_rows
from tunesmith.data.sources.fetching import LocalSource, fetch_source, is_remote
from tunesmith.data.sources.web import WebLimits
from tunesmith.errors import DatasetRejected, FetchFailed, NotFound

LINES = b'{"text": "a"}\n' * 1000
HERE = WebLimits(allow_private=True, timeout_seconds=5.0)


class Handler(BaseHTTPRequestHandler):
    """Answers by path: `/status/CODE`, `/to/N` redirects N times, `/location/URL`, and files."""

    hosts: list[str] = []  # noqa: RUF012 emptied by each test

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        self.hosts.append(self.headers["Host"])
        _, command, *rest = self.path.partition("?")[0].split("/", 2)
        argument = rest[0] if rest else ""
        match command:
            case "status":
                self._answer(int(argument.partition("/")[0]), {"Content-Length": "0"})
            case "to":
                target = f"/to/{int(argument) - 1}" if argument != "0" else "/a.jsonl"
                self._answer(302, {"Location": target, "Content-Length": "0"})
            case "location":
                self._answer(307, {"Location": self.path.partition("?")[2], "Content-Length": "0"})
            case "cut":
                self._answer(200, {"Content-Length": str(2 * len(LINES))}, LINES)
            case "endless":
                self._answer(200, {})
                self._drip(LINES, pause=0.0)
            case "slow":
                self._answer(200, {})
                self._drip(b"x", pause=0.05)
            case "huge":
                self._answer(200, {"Content-Length": str(10**15)})
            case "packed":
                self._answer(200, {"Content-Encoding": "gzip", "Content-Length": "0"})
            case _:
                headers = {"Content-Length": str(len(LINES))}
                headers["Content-Disposition"] = 'attachment; filename="../../evil.py"'
                self._answer(200, headers, LINES)

    def _answer(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _drip(self, content: bytes, *, pause: float) -> None:
        try:
            while True:
                self.wfile.write(content)
                time.sleep(pause)
        except OSError:
            pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_file_is_fetched_under_the_name_in_its_address(server: str, tmp_path: Path) -> None:
    source = fetch_source(
        f"{server}/x/my%20data.jsonl?token=secret#top", into=tmp_path, limits=HERE
    )
    assert source == LocalSource(tmp_path / "my data.jsonl", f"{server}/x/my%20data.jsonl")
    assert list(tmp_path.iterdir()) == [source.path]
    assert len(list(read_rows(source.path))) == 1000


def test_this_machine_is_not_called_unless_allowed(server: str, tmp_path: Path) -> None:
    Handler.hosts.clear()
    with pytest.raises(DatasetRejected, match="which is not public"):
        fetch_source(f"{server}/a.jsonl", into=tmp_path)
    assert Handler.hosts == []
    assert list(tmp_path.iterdir()) == []


def test_the_checked_address_is_called_and_the_name_looked_up_once(
    server: str, tmp_path: Path
) -> None:
    """A second look-up could give another address (DNS rebinding)."""
    answers = iter([["127.0.0.1"]])
    port = server.rpartition(":")[2]
    Handler.hosts.clear()
    fetch_source(
        f"http://data.example:{port}/a.jsonl",
        into=tmp_path,
        limits=HERE,
        resolve=lambda host, port: next(answers),
    )
    assert Handler.hosts == [f"data.example:{port}"]


def test_each_redirect_is_looked_up_and_checked(server: str, tmp_path: Path) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.1"], ["169.254.169.254"]])
    address = server.replace("127.0.0.1", "data.example") + "/to/5"
    with pytest.raises(DatasetRejected, match=r"169\.254\.169\.254, which is not public"):
        fetch_source(address, into=tmp_path, limits=HERE, resolve=lambda host, port: next(answers))


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "//169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://user:secret@127.0.0.1/",
        "",
    ],
)
def test_redirects_to_forbidden_places(server: str, tmp_path: Path, location: str) -> None:
    address = f"{server}/location/a.jsonl?{location}"
    with pytest.raises((DatasetRejected, FetchFailed)):
        fetch_source(address, into=tmp_path, limits=HERE)
    assert list(tmp_path.iterdir()) == []


def test_five_redirects_are_followed_and_no_more(server: str, tmp_path: Path) -> None:
    assert fetch_source(f"{server}/to/4", into=tmp_path, limits=HERE).path.read_bytes() == LINES
    with pytest.raises(FetchFailed, match="redirects more than 5 times"):
        fetch_source(f"{server}/to/5", into=tmp_path, limits=HERE)


@pytest.mark.parametrize(
    ("path", "limits", "error", "sentence"),
    [
        ("/status/404/a.json", HERE, NotFound, "the server has no such file"),
        ("/status/500/a.json", HERE, FetchFailed, "the server answered 500"),
        ("/status/206/a.json", HERE, FetchFailed, "the server answered 206"),
        ("/cut/a.json", HERE, FetchFailed, "broke off after 14,000 of 28,000 bytes"),
        ("/packed/a.json", HERE, FetchFailed, "sent the encoding gzip unasked"),
        ("/huge/a.json", HERE, DatasetRejected, "is larger than 20,000,000,000 bytes"),
        ("/endless/a.json", replace(HERE, max_bytes=99_999), DatasetRejected, "larger than 99,999"),
        ("/slow/a.json", replace(HERE, max_seconds=0.3), FetchFailed, "took too long"),
    ],
)
def test_failed_downloads_leave_nothing(
    server: str,
    tmp_path: Path,
    path: str,
    limits: WebLimits,
    error: type[Exception],
    sentence: str,
) -> None:
    with pytest.raises(error, match=sentence):
        fetch_source(server + path, into=tmp_path, limits=limits)
    assert list(tmp_path.iterdir()) == []


def test_servers_that_cannot_be_reached(server: str, tmp_path: Path) -> None:
    for address in ("http://127.0.0.1:9/a.json", server.replace("http:", "https:") + "/a.json"):
        with pytest.raises(FetchFailed, match=r"127\.0\.0\.1"):
            fetch_source(address, into=tmp_path, limits=HERE)


# --- hub and stores --------------------------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Holds a few files at one commit, which the branch `main` points to."""

    FILES = ("x/a.jsonl", "x/.hidden", "x/README.md", "x/logo.png", "x/y/b.jsonl", "z/a.csv")

    def dataset_info(self, repo_id: str, *, revision: str | None) -> Any:
        if revision not in (None, "main"):
            raise OSError(f"Revision Not Found: {revision}")
        return SimpleNamespace(sha=COMMIT)

    def get_paths_info(
        self, repo_id: str, paths: list[str], *, revision: str, repo_type: str
    ) -> Any:
        assert revision == COMMIT
        files = [self._facts(path) for path in paths if path in self.FILES]
        folders = [SimpleNamespace(path=path) for path in paths if path in ("x", "x/y", "z")]
        return files + folders

    def list_repo_tree(
        self, repo_id: str, path_in_repo: str, *, recursive: bool, revision: str, repo_type: str
    ) -> Any:
        assert recursive
        yield SimpleNamespace(path=f"{path_in_repo}/y")
        for path in self.FILES:
            if path.startswith(f"{path_in_repo}/"):
                yield self._facts(path)

    def _facts(self, path: str) -> Any:
        return SimpleNamespace(path=path, size=len(LINES))

    def hf_hub_download(
        self, repo_id: str, filename: str, *, revision: str, repo_type: str, local_dir: Path
    ) -> str:
        assert filename in self.FILES
        path = local_dir / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(LINES)
        return str(path)


@pytest.mark.parametrize("revision", ["", "@main", f"@{COMMIT}"])
def test_a_hub_file_is_fetched_at_a_recorded_commit(tmp_path: Path, revision: str) -> None:
    reference = f"hf://datasets/owner/name{revision}/x/a.jsonl"
    source = fetch_source(reference, into=tmp_path, hub=FakeHub())
    assert source.origin == f"hf://datasets/owner/name@{COMMIT}/x/a.jsonl"
    assert source.revision == COMMIT
    assert source.path.read_bytes() == LINES


def test_a_hub_folder_is_fetched_without_what_holds_no_rows(tmp_path: Path) -> None:
    source = fetch_source("hf://datasets/owner/name/x/", into=tmp_path, hub=FakeHub())
    assert source.path == tmp_path / "x"
    assert source.origin == f"hf://datasets/owner/name@{COMMIT}/x"
    assert source.left_out == ("README.md", "logo.png")
    assert [name for name, _ in read_files(source.path)] == ["x/a.jsonl", "x/y/b.jsonl"]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.jsonl", "b.jsonl"]


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("hf://datasets/owner/name@main/b.jsonl", NotFound),
        ("hf://datasets/owner/name@other/x/a.jsonl", FetchFailed),
        ("hf://datasets/owner/name@main/../../a.jsonl", DatasetRejected),
        ("hf://owner/name/a.jsonl", DatasetRejected),
        ("hf://datasets/owner/name", DatasetRejected),
        ("hf://spaces/owner/name/a.py", DatasetRejected),
    ],
)
def test_what_is_not_on_the_hub(tmp_path: Path, reference: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        fetch_source(reference, into=tmp_path, hub=FakeHub())


def test_hub_files_are_limited_in_size(tmp_path: Path) -> None:
    limits = WebLimits(max_bytes=10)
    with pytest.raises(DatasetRejected, match="is larger than 10 bytes"):
        fetch_source(
            "hf://datasets/o/n@main/x/a.jsonl", into=tmp_path, limits=limits, hub=FakeHub()
        )


def test_a_file_in_a_store_is_fetched(tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    store.pipe_file("/bucket/a.jsonl", LINES)
    source = fetch_source("memory://bucket/a.jsonl", into=tmp_path)
    assert source == LocalSource(tmp_path / "a.jsonl", "memory://bucket/a.jsonl")
    assert source.path.read_bytes() == LINES
    with pytest.raises(NotFound, match="there is no such file"):
        fetch_source("memory://bucket/b.jsonl", into=tmp_path)
    with pytest.raises(DatasetRejected, match="is larger than 10 bytes"):
        fetch_source("memory://bucket/a.jsonl", into=tmp_path, limits=WebLimits(max_bytes=10))


def test_a_folder_in_a_store_is_fetched(tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    for name in ("b.jsonl", "a.jsonl", "x/c.jsonl.gz", "_SUCCESS", ".crc"):
        store.pipe_file(f"/lake/chats/{name}", LINES)
    for number, address in enumerate(("memory://lake/chats", "memory://lake/chats/")):
        into = tmp_path / str(number)
        into.mkdir()
        source = fetch_source(address, into=into)
        assert source == LocalSource(into / "chats", address, left_out=("_SUCCESS",))
        fetched = {str(path.relative_to(into)) for path in into.rglob("*.*")}
        assert fetched == {"chats/a.jsonl", "chats/b.jsonl", "chats/x/c.jsonl.gz"}


@pytest.mark.parametrize(
    ("names", "limits", "sentence"),
    [
        (["a.jsonl", "b.csv"], HERE, r"several kinds: \.csv \(b\.csv\), \.jsonl \(a\.jsonl\)"),
        (["a.jsonl", "b.zip"], HERE, r"\(b\.zip\): is an archive"),
        (["LICENSE"], HERE, "holds no data file but LICENSE"),
        ([f"{number}.csv" for number in range(1001)], HERE, "more than 1000 files"),
        (["a.csv", "b.csv"], replace(HERE, max_bytes=20_000), "is larger than 20,000 bytes"),
        (["a\\..\\b.csv"], HERE, "leads out of the folder"),
    ],
)
def test_folders_that_are_not_fetched(
    tmp_path: Path, names: list[str], limits: WebLimits, sentence: str
) -> None:
    store = fsspec.filesystem("memory")
    folder = f"/refused/{tmp_path.name}"
    for name in names:
        store.pipe_file(f"{folder}/{name}", LINES)
    with pytest.raises(DatasetRejected, match=sentence):
        fetch_source(f"memory:/{folder}", into=tmp_path, limits=limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "reference",
    [
        "file:///etc/passwd",
        "local:///etc/passwd",
        "ftp://127.0.0.1/a.json",
        "sftp://127.0.0.1/a.json",
        "webhdfs://127.0.0.1/a.json",
        "github://owner:name@main/a.json",
        "simplecache::file:///etc/passwd",
        "s3::file:///etc/passwd",
        "s3://bucket/a.json::http://127.0.0.1/",
        "zip://a.json::file:///etc/a.zip",
        "unknown://a.json",
    ],
)
def test_other_file_systems_are_refused(tmp_path: Path, reference: str) -> None:
    with pytest.raises(DatasetRejected, match="addresses of this kind are not fetched"):
        fetch_source(reference, into=tmp_path)


def test_a_path_is_itself(tmp_path: Path) -> None:
    assert not is_remote("data/a.jsonl")
    assert fetch_source("data/a.jsonl", into=tmp_path) == LocalSource(
        Path("data/a.jsonl"), "a.jsonl"
    )
