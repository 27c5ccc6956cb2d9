"""What went wrong, in our words; here a full disk and a lack of memory are told apart. Torch-free.

Libraries say these two in many ways and layers: as errors of their own, as text only, or as the
cause of another error ("the file cannot be read").
"""

import errno
import resource
from collections.abc import Iterator

import psutil

from tunesmith.errors import DiskFull, OutOfMemory, TunesmithError
from tunesmith.events import RunErred

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
_FULL_DISK_TEXTS = ("No space left on device", "os error 28")  # safetensors, tokenizers
_NO_MEMORY_TEXTS = (
    "can't allocate memory",  # torch's allocator on the CPU
    "out of memory",  # and on a GPU
    "std::bad_alloc",
    "can't start new thread",  # for whose stack there is no room
    "could not create a primitive",  # oneDNN says no more of it
    "could not execute a primitive",
    "cannot map zero-fill pages",  # of a library that is being loaded
    "failed to map segment",
)
_TRAINS = ("train", "preflight")


def failure_of(error: Exception, *, kind: str) -> TunesmithError | None:
    """Why a job of `kind` failed, as one of our errors; None if nobody foresaw it."""
    causes = list(_causes(error))
    if any(_is_full_disk(cause) for cause in causes):
        return DiskFull(
            "the disk is full; what was complete before is intact",
            hint="free space, then resume" if kind == "train" else "free space, then try again",
        )
    unforeseen = not isinstance(error, TunesmithError)
    if any(_is_lack_of_memory(cause) for cause in causes) or (unforeseen and _at_memory_limit()):
        of_training = (
            "lower training.batch_size (and raise gradient_accumulation) or data.max_length"
        )
        return OutOfMemory(
            "the machine ran out of memory, or the job reached its limit",
            hint=of_training if kind in _TRAINS else "allow it more memory",
        )
    return error if isinstance(error, TunesmithError) else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is_full_disk(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL_DISK:
        return True
    ours = isinstance(error, TunesmithError)  # whose sentences may quote anything
    return not ours and any(text in str(error) for text in _FULL_DISK_TEXTS)


def _is_lack_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    foreign = isinstance(error, RuntimeError | ImportError)
    return foreign and any(text in str(error) for text in _NO_MEMORY_TEXTS)


def _at_memory_limit() -> bool:
    """Whether this process has used up what its worker allowed.

    Then anything may fail in its own way: an import, for one, with a bare SystemError.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return limit != resource.RLIM_INFINITY and psutil.Process().memory_info().data > 0.9 * limit


def event_of(error: Exception, failure: TunesmithError | None) -> RunErred:
    """The event that tells of `error`, known as `failure` or not at all."""
    if failure is not None:
        return RunErred(
            error=type(failure).__name__,
            reason=failure.reason,
            message=failure.message,
            hint=failure.hint,
        )
    first_line = (str(error).strip().splitlines() or ["no message"])[0]
    return RunErred(
        error=type(error).__name__,
        reason="defect",
        message=f"unexpected {type(error).__name__}: {first_line}",
        hint="this is a defect of Tunesmith; the log shows where",
    )
