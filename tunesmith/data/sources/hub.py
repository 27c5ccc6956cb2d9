"""Files and folders of datasets on Hugging Face's hub, at a recorded commit."""

# fsspec and huggingface_hub are not fully typed
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import re
from pathlib import Path
from typing import Any, Protocol, cast

from tunesmith.data.sources.datafile import one_line
from tunesmith.data.sources.remote import LocalSource, check_size, choose_remote, reporting
from tunesmith.data.sources.web import OnBytes, WebLimits
from tunesmith.errors import DatasetRejected, NotFound

_HUB = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+)(?:@([^/]+))?/(.+)")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Hub(Protocol):
    """What is asked of a hub of datasets; `huggingface_hub.HfApi` has it."""

    def dataset_info(self, repo_id: str, *, revision: str | None) -> Any:
        """Facts of a dataset, with its commit as `sha`."""
        ...

    def get_paths_info(
        self, repo_id: str, paths: list[str], *, revision: str, repo_type: str
    ) -> Any:
        """Facts of files and folders, each with its `path`; files have a `size`."""
        ...

    def list_repo_tree(
        self, repo_id: str, path_in_repo: str, *, recursive: bool, revision: str, repo_type: str
    ) -> Any:
        """The facts of what is below a folder."""
        ...

    def hf_hub_download(
        self, repo_id: str, filename: str, *, revision: str, repo_type: str, local_dir: Path
    ) -> str:
        """The path of a file, fetched into a folder."""
        ...


def fetch_from_hub(
    reference: str, *, into: Path, limits: WebLimits, hub: Hub | None, on_progress: OnBytes
) -> LocalSource:
    """A file or folder of a dataset at a commit; a branch or tag is resolved to one first.

    Only data files are fetched. Loading scripts are never run: there is no code that could.

    Raises:
        DatasetRejected: the address names no file or folder, or one that is too large.
        NotFound: the dataset has no such file.
        NotEnoughDisk: the disk is too small.
        FetchFailed: the hub cannot be reached or refuses.
    """
    shown = one_line(reference)
    match = _HUB.fullmatch(reference)
    if match is None or ".." in match[3].split("/"):
        raise DatasetRejected(
            f"{shown} is not an address of a file or folder on the hub",
            hint="write hf://datasets/OWNER/NAME@REVISION/PATH",
        )
    name, revision, path = match[1], match[2], match[3].rstrip("/")
    hub = hub or _default_hub()
    left_out: tuple[str, ...] = ()
    hint = "check name, revision, access and network, or download it and import the file"
    with reporting(shown, hint=hint):
        if revision is None or not _COMMIT.fullmatch(revision):
            revision = str(hub.dataset_info(name, revision=revision).sha)
        at = {"revision": revision, "repo_type": "dataset"}
        facts = hub.get_paths_info(name, [path], **at)
        if not facts:
            raise NotFound(f"{shown}: the dataset has no such file", hint="check the path")
        if _is_file(facts[0]):
            sizes = {path: int(facts[0].size)}
            check_size(shown, sizes[path], into=into, limits=limits)
        else:
            tree = filter(_is_file, hub.list_repo_tree(name, path, recursive=True, **at))
            below = {each.path.removeprefix(f"{path}/"): int(each.size) for each in tree}
            chosen = choose_remote(below, shown=shown, into=into, limits=limits)
            left_out = chosen.left_out
            sizes = {f"{path}/{file}": below[file] for file in chosen.files}
        num_bytes = 0
        for file, size in sizes.items():
            hub.hf_hub_download(name, file, local_dir=into, **at)
            num_bytes += size
            on_progress(num_bytes, sum(sizes.values()))
    origin = f"hf://datasets/{name}@{revision}/{path}"
    return LocalSource(into / path, origin, revision=revision, left_out=left_out)


def _is_file(facts: Any) -> bool:
    return getattr(facts, "size", None) is not None


def _default_hub() -> Hub:
    from huggingface_hub import HfApi  # only here: it takes a while to import

    return cast(Hub, HfApi())
