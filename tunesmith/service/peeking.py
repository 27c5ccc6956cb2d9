"""A look into an uploaded file before it is imported."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tunesmith.data.importing import named
from tunesmith.data.peek import Peek, peek
from tunesmith.service.files import file_path, find_file
from tunesmith.service.services import Services


def peek_file(
    services: Services,
    tenant_id: str,
    file_id: str,
    *,
    format: str | None,
    mapping: Mapping[str, str],
) -> Peek:
    """The first rows of a file as an import with `format` and `mapping` would read them.

    Raises:
        NotFound: the tenant has no such file, or there is no such format.
    """
    path = file_path(services, tenant_id, file_id)
    name = find_file(services, tenant_id, file_id).filename
    cache = services.home(tenant_id).cache
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as scratch:
        return peek(named(path, name, scratch=Path(scratch)), format=format, mapping=mapping)
