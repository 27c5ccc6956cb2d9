"""Which checkpoints a folder has, and which of them are pinned: never deleted to make room.

Torch-free. A pin is an empty file beside the checkpoint, so that it outlives every process. Who
pins and who deletes take turns by a lock of the kernel's: a checkpoint is pinned or gone, never
both.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from tunesmith.artifacts import fsync_folder, read_manifest, taking_turns
from tunesmith.errors import NotFound

_PIN, _LOCK = "pinned-", "pins.lock"


def committed_steps(checkpoints: Path) -> dict[int, Path]:
    """The checkpoints in the folder `checkpoints` that are complete, by step, oldest first."""
    found = sorted(checkpoints.glob("step-*"))
    return {int(path.name.removeprefix("step-")): path for path in found if read_manifest(path)}


def pinned_steps(checkpoints: Path) -> set[int]:
    """The steps whose checkpoints in the folder `checkpoints` are pinned."""
    return {int(path.name.removeprefix(_PIN)) for path in checkpoints.glob(f"{_PIN}*")}


def set_pin(checkpoints: Path, step: int, *, pinned: bool) -> None:
    """Pin the checkpoint of `step`, or let go of it; durable on return.

    Raises:
        NotFound: it is not there, or no longer.
    """
    if not checkpoints.is_dir():
        raise NotFound("there is no checkpoint yet")
    with nobody_pins(checkpoints):
        there = committed_steps(checkpoints)
        if step not in there:
            known = ", ".join(map(str, there)) or "none"
            raise NotFound(f"there is no checkpoint {step}", hint=f"there are: {known}")
        pin = checkpoints / f"{_PIN}{step:08d}"
        if pinned:
            pin.touch()
        else:
            pin.unlink(missing_ok=True)
        fsync_folder(checkpoints)


def nobody_pins(checkpoints: Path) -> AbstractContextManager[None]:
    """Within, pins stay as they are: for who deletes what has none."""
    return taking_turns(checkpoints / _LOCK)
