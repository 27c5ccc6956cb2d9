"""The error tree. A message says what was given and what is allowed; a hint says what to do next.

TunesmithError                    reason
├── UserError                     recipe         exit code 2: mend the input and call again;
│   ├── NameInvalid               recipe         nothing was changed
│   ├── NotFound                  data
│   ├── InUse                     data
│   ├── DatasetRejected           data
│   ├── RecipeInvalid             recipe
│   ├── ModelRejected             model
│   ├── NotEnoughResources                       checked before work starts
│   │   ├── NotEnoughMemory       out_of_memory
│   │   └── NotEnoughDisk         disk_full
│   ├── ResumeRefused             recipe
│   ├── Conflict                  recipe         the thing is not in a state that allows this
│   ├── AccessDenied              recipe
│   ├── LoginRefused              recipe
│   ├── LoginRequired             recipe
│   ├── QuotaExceeded             recipe
│   └── RequestRejected           recipe         a request to a served model
├── RunFailed                     defect         exit code 1: the work itself failed
│   ├── TrainingDiverged          diverged
│   ├── OutOfMemory               out_of_memory
│   ├── DiskFull                  disk_full
│   ├── ArtifactCorrupt           data
│   └── FetchFailed               network
├── Unavailable                   network        exit code 1: try again later
│   ├── DatabaseUnavailable       network
│   └── DeliveryFailed            network
├── LeaseLost                     lost_worker    a worker's job is in other hands
└── Stopped                       stopped        exit code 130: stopped on request, resumable
"""

from typing import ClassVar, Literal

Reason = Literal[
    "out_of_memory",
    "disk_full",
    "data",
    "diverged",
    "model",
    "recipe",
    "network",
    "stopped",
    "lost_worker",
    "defect",
]
"""Why work ended, for whoever decides what to do next: try again, mend the input, or report it."""


class TunesmithError(Exception):
    """Base of everything Tunesmith raises on purpose.

    Attributes:
        message: one sentence, what was given and what is allowed.
        hint: the next step, or an empty string.
        exit_code: what a process ends with.
        reason: why the work ended, in one word.
    """

    exit_code: ClassVar[int] = 1
    reason: ClassVar[Reason] = "defect"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UserError(TunesmithError):
    """The input was refused before any work; nothing was changed."""

    exit_code = 2
    reason = "recipe"


class NameInvalid(UserError):
    """A name given by the user breaks the name rules."""


class NotFound(UserError):
    """A dataset, model, run or file of that name does not exist."""

    reason = "data"


class InUse(UserError):
    """Something cannot be deleted, since something else needs it."""

    reason = "data"


class DatasetRejected(UserError):
    """Source data cannot be turned into a dataset version."""

    reason = "data"


class RecipeInvalid(UserError):
    """A recipe has an unknown key or a value out of range."""


class ModelRejected(UserError):
    """A model folder or file cannot be used as a base model or adapter."""

    reason = "model"


class NotEnoughResources(UserError):
    """The work would need more than there is."""


class NotEnoughMemory(NotEnoughResources):
    """The plan needs more memory than there is."""

    reason = "out_of_memory"


class NotEnoughDisk(NotEnoughResources):
    """What is to be written or fetched needs more disk than there is."""

    reason = "disk_full"


class ResumeRefused(UserError):
    """A run cannot be resumed as asked."""


class Conflict(UserError):
    """What is asked for does not fit the state of things."""


class AccessDenied(UserError):
    """Whoever asks may not do that."""


class LoginRefused(UserError):
    """E-mail or password are wrong, or too many were."""


class LoginRequired(UserError):
    """Nobody known asks."""


class QuotaExceeded(UserError):
    """The tenant has as much as it may have."""


class RequestRejected(UserError):
    """What is asked of a served model can never be answered."""


class Unavailable(TunesmithError):
    """Something that is needed does not answer now."""

    reason = "network"


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached or stays locked."""


class DeliveryFailed(Unavailable):
    """A message did not reach its channel."""


class LeaseLost(TunesmithError):
    """A job changed hands: what its former worker writes counts no more."""

    reason = "lost_worker"


class RunFailed(TunesmithError):
    """The work started and failed."""


class TrainingDiverged(RunFailed):
    """Loss or gradient norm is not finite; the update was not made."""

    reason = "diverged"


class OutOfMemory(RunFailed):
    """There was not enough memory after all."""

    reason = "out_of_memory"


class DiskFull(RunFailed):
    """The disk filled up while something was written; nothing is half there."""

    reason = "disk_full"


class ArtifactCorrupt(RunFailed):
    """A stored file does not match its manifest."""

    reason = "data"


class FetchFailed(RunFailed):
    """A download failed or did not have the recorded content."""

    reason = "network"


class Stopped(TunesmithError):
    """Stopped on request after a checkpoint; resumable."""

    exit_code = 130
    reason = "stopped"
