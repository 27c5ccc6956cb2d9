"""Named places at which a test may kill the process, as `kill -9` would.

`TUNESMITH_FAILPOINT=checkpoint.before_rename:2` kills at the second passage of that point. With a
third part, `checkpoint.before_rename:2:FILE`, only whoever makes FILE is killed, so that it happens
once however often the work is started again. Without the variable a failpoint costs one look-up.
"""

import os
import signal
from collections import Counter

_passages: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Kill this process with SIGKILL if the environment asks for it at this passage of `name`."""
    wanted = os.environ.get("TUNESMITH_FAILPOINT")
    if wanted is None:
        return
    _passages[name] += 1
    place, passage, *marker = wanted.split(":", 2)
    if (place, passage) != (name, str(_passages[name])):
        return
    if not marker or _is_first(marker[0]):
        os.kill(os.getpid(), signal.SIGKILL)


def _is_first(marker: str) -> bool:
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
