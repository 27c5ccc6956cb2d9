"""Texts of the engine name files; what people read does not say where the server keeps them."""

from typing import Any, cast

from tunesmith.service.services import Services


def hide_paths(services: Services, tenant_id: str, value: Any) -> Any:
    """`value`, in all its texts, with the tenant's and the installation's folders left out."""
    folders = (services.home(tenant_id).folder, services.installation.folder)
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
