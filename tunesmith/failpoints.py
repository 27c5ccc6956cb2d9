"""Named places at which a test may kill the process, as `kill -9` would.

`TUNESMITH_FAILPOINT=checkpoint.before_rename:2` kills at the second passage of that point. Without
the variable a failpoint costs one dictionary look-up.
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
    if wanted == f"{name}:{_passages[name]}":
        os.kill(os.getpid(), signal.SIGKILL)
