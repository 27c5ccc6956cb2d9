"""The models that a visitor may ask, as forms offer them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tunesmith.modeling.catalog import CATALOG, WRITERS
from tunesmith.service import model_pages, registry
from tunesmith.service.services import Services

_MOST_OFFERED = 100  # of the tenant's own models

Group: TypeAlias = Literal["alias", "model", "base"]


@dataclass(frozen=True)
class ModelChoice:
    """A model by the name that requests give it.

    Attributes:
        name: base model, NAME@VERSION or alias.
        group: which of these it is.
        model: what answers: a base model or the id of a registered one.
    """

    name: str
    group: Group
    model: str


def list_choices(
    services: Services, tenant_id: str, *, encoders: bool = False, also: Iterable[str] = ()
) -> Sequence[ModelChoice]:
    """Aliases, the tenant's own models (newest first), and the base models that are here.

    Of many models, the newest, those deployed, and those that `also` names. With `encoders` also
    base models that write no texts.
    """
    aliases = model_pages.list_aliases(services, tenant_id)
    own = registry.list_offered(services, tenant_id, most=_MOST_OFFERED, also=[*also])
    bases = registry.list_bases(services)
    offered = CATALOG if encoders else WRITERS
    return (
        *(ModelChoice(each.name, "alias", each.model_id) for each in aliases),
        *(ModelChoice(f"{each.name}@{each.version}", "model", each.id) for each in own),
        *(ModelChoice(each.name, "base", each.name) for each in bases if each.name in offered),
    )


def list_whole(services: Services, tenant_id: str) -> Sequence[str]:
    """What adapters can be for: base models that are here, and the tenant's own whole models."""
    own = registry.list_registered(services, tenant_id)
    return (
        *(each.name for each in registry.list_bases(services)),
        *(f"{each.name}@{each.version}" for each in own if each.kind != "adapter"),
    )
