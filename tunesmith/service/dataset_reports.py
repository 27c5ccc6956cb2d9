"""What takes reading through all of a dataset version: found out once, then remembered."""

from tunesmith.data.dataset import read_examples
from tunesmith.data.lengths import Lengths, measure_lengths
from tunesmith.data.quality import Finding
from tunesmith.service.datasets import find_version, findings_of, remembered
from tunesmith.service.services import Services


def report(services: Services, tenant_id: str, reference: str) -> list[Finding]:
    """What is suspicious about a version.

    Raises:
        NotFound: there is no such dataset.
    """
    home = services.home(tenant_id)
    return findings_of(home, find_version(home, reference))


def lengths(services: Services, tenant_id: str, reference: str) -> Lengths:
    """How long a version's examples are.

    Raises:
        NotFound: there is no such dataset.
    """
    home = services.home(tenant_id)
    version = find_version(home, reference)
    found = remembered(home, version, "lengths", lambda: measure_lengths(read_examples(version)))
    return Lengths(**found)
