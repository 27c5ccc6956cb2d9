"""Uploads: what a killed server left of one goes, what a living one writes stays."""

import io
from collections.abc import Callable
from pathlib import Path

from tests.service.installation import found_owner
from tunesmith.service.files import remove_partial_files, store_file
from tunesmith.service.services import Services


class Upload(io.BytesIO):
    """An upload during which something happens."""

    def __init__(self, content: bytes, meanwhile: Callable[[], None]) -> None:
        super().__init__(content)
        self._meanwhile = meanwhile

    def read(self, size: int | None = -1) -> bytes:
        self._meanwhile()
        return super().read(size)


def test_only_uploads_of_dead_servers_are_removed(services: Services) -> None:
    owner, _ = found_owner(services)
    folder: Path = services.home(owner.tenant_id).folder / "files"
    folder.mkdir(parents=True)
    leftover = folder / ".partial-file-1"
    leftover.write_text("half")
    upload = Upload(b"whole", lambda: remove_partial_files(services))
    view = store_file(services, upload, filename="a", purpose="fine-tune", actor=owner)
    assert not leftover.exists()
    assert (folder / view.id).read_bytes() == b"whole"
