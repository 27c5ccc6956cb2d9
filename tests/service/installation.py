"""People and jobs of an installation in tests."""

from tests.api.serving import PASSWORD
from tunesmith.service import jobs, people, submitting
from tunesmith.service.access import Actor, authenticate
from tunesmith.service.job_requests import JobOptions, PullRequest
from tunesmith.service.services import Services


def found_owner(services: Services) -> tuple[Actor, people.Founded]:
    """The first owner of a fresh installation, and their keys."""
    services.installation.folder.mkdir(parents=True, exist_ok=True)
    secret = people.ensure_setup_secret(services)
    assert secret is not None
    founded = people.found(
        services, secret=secret, email="ada@example.org", password=PASSWORD, tenant="acme"
    )
    actor = authenticate(services, founded.key)
    assert actor is not None
    return actor, founded


def cancelled_job(services: Services, owner: Actor, channels: list[str]) -> str:
    """A job whose cancellation is told to `channels`: one event."""
    options = JobOptions(notify=channels)
    job = submitting.submit_job(
        services, PullRequest(model="smollm2-135m"), actor=owner, options=options
    )
    jobs.cancel_job(services, owner.tenant_id, job.id)
    return job.id
