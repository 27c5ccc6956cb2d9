"""An engine as a process of its own: `python -m tunesmith.jobs.serve FOLDER`.

The folder's `engine.json` says what to serve and where. The process holds the folder's lock, as a
job does, and ends with whoever started it. What keeps it from serving is in `refusal.json`.
"""

import argparse
import importlib
import os
import subprocess
import sys
import traceback
from pathlib import Path

from tunesmith.errors import TunesmithError
from tunesmith.jobs.engine_folder import Refusal, read_engine, write_refusal
from tunesmith.jobs.folder import locked
from tunesmith.serving.engines import find_engine
from tunesmith.stopping import tether


def serve_engine(folder: Path) -> int:
    """Serve what `folder` says until a signal comes; return the exit code."""
    with locked(folder):
        spec = read_engine(folder)
        kind = find_engine(spec.kind)
        if kind.command is not None:
            environment = {**os.environ, **kind.environment(spec.serve)}
            return subprocess.run(kind.command(spec.serve), env=environment, check=False).returncode
        return 0 if importlib.import_module(kind.module).serve(spec.serve) else 1


def main() -> int:
    """Serve the folder named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tunesmith.jobs.serve", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder with engine.json")
    parser.add_argument("--tethered", action="store_true", help="end when standard input is closed")
    arguments = parser.parse_args()
    if arguments.tethered:
        tether()
    try:
        return serve_engine(arguments.folder)
    except TunesmithError as error:
        write_refusal(arguments.folder, Refusal(message=error.message, hint=error.hint))
        print(error, file=sys.stderr)
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
