"""The error tree. A message says what was given and what is allowed; a hint says what to do next.

TunesmithError
├── UserError                 exit code 2: mend the input and call again; nothing was changed
│   ├── NameInvalid
│   ├── NotFound
│   ├── InUse
│   ├── DatasetRejected
│   ├── RecipeInvalid
│   ├── ModelRejected
│   ├── NotEnoughResources    memory or disk, checked before work starts
│   ├── ResumeRefused
│   ├── Conflict              the thing is not in the state that this needs
│   ├── AccessDenied
│   ├── LoginRefused
│   └── QuotaExceeded
├── RunFailed                 exit code 1: the work itself failed
│   ├── TrainingDiverged
│   ├── ArtifactCorrupt
│   └── FetchFailed
├── Unavailable               exit code 1: try again later
│   └── DatabaseUnavailable
├── LeaseLost                 a worker's job is in other hands; it drops the work
└── Stopped                   exit code 130: stopped on request, resumable
"""


class TunesmithError(Exception):
    """Base of everything Tunesmith raises on purpose.

    Attributes:
        message: one sentence, what was given and what is allowed.
        hint: the next step, or an empty string.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UserError(TunesmithError):
    """The input was refused before any work; nothing was changed."""

    exit_code = 2


class NameInvalid(UserError):
    """A name given by the user breaks the name rules."""


class NotFound(UserError):
    """A dataset, model, run or file of that name does not exist."""


class InUse(UserError):
    """Something cannot be deleted, since something else needs it."""


class DatasetRejected(UserError):
    """Source data cannot be turned into a dataset version."""


class RecipeInvalid(UserError):
    """A recipe has an unknown key or a value out of range."""


class ModelRejected(UserError):
    """A model folder or file cannot be used as a base model or adapter."""


class NotEnoughResources(UserError):
    """The plan needs more memory or disk than there is."""


class ResumeRefused(UserError):
    """A run cannot be resumed as asked."""


class Conflict(UserError):
    """What is asked for does not fit the state of things."""


class AccessDenied(UserError):
    """Whoever asks may not do that."""


class LoginRefused(UserError):
    """E-mail or password are wrong, or too many were."""


class QuotaExceeded(UserError):
    """The tenant has as much as it may have."""


class Unavailable(TunesmithError):
    """Something that is needed does not answer now."""


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached or stays locked."""


class LeaseLost(TunesmithError):
    """A job changed hands: what its former worker writes counts no more."""


class RunFailed(TunesmithError):
    """The work started and failed."""


class TrainingDiverged(RunFailed):
    """Loss or gradient norm is not finite; the update was not made."""


class ArtifactCorrupt(RunFailed):
    """A stored file does not match its manifest."""


class FetchFailed(RunFailed):
    """A download failed or did not have the recorded content."""


class Stopped(TunesmithError):
    """Stopped on request after a checkpoint; resumable."""

    exit_code = 130
