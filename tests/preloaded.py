"""What children of the fork server have imported already; see `tests/forks.py`."""

import os

# Read by what is imported: as wide as commands in tests are, in one thread, without progress bars.
os.environ |= {"COLUMNS": "120", "NO_COLOR": "1", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import tunesmith.api.server  # noqa: F401
import tunesmith.cli.local  # noqa: F401
import tunesmith.cli.main  # noqa: F401
import tunesmith.cli.remote.workspace  # noqa: F401
import tunesmith.jobs.engine  # noqa: F401
