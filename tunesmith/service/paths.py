"""Texts of the engine name files; what people read does not say where the server keeps them."""

import sys
from pathlib import Path
from typing import Any, cast

import tunesmith
from tunesmith.service.services import Services

# What tracebacks name: the package, and Python with its libraries unless it is the system's own.
_OF_PROGRAMS = tuple(
    folder
    for folder in (Path(tunesmith.__file__).parents[1], Path(sys.prefix), Path(sys.base_prefix))
    if len(folder.parts) > len(Path("/usr/local").parts)
)


def hide_paths(services: Services, tenant_id: str, value: Any) -> Any:
    """`value`, in all its texts, without the folders of tenant, installation and programs."""
    folders = (services.home(tenant_id).folder, services.installation.folder, *_OF_PROGRAMS)
    return _without(value, [str(folder) for folder in folders])


def _without(value: Any, folders: list[str]) -> Any:
    if isinstance(value, str):
        for folder in folders:  # the inner one first
            value = value.replace(f"{folder}/", "").replace(folder, "the data folder")
        return value
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: _without(each, folders) for key, each in items}
    if isinstance(value, list):
        return [_without(each, folders) for each in cast("list[Any]", value)]
    return value
