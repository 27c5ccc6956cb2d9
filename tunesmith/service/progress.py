"""How far a job is, read from its events while it works."""

import json
from pathlib import Path
from typing import Any


class ProgressReader:
    """Follows an event file; every call reads only what is new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._step = 0
        self._total_steps = 0
        self._error: dict[str, str] | None = None

    def read(self) -> tuple[int, int]:
        """The last step, and the total if it is known."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._offset += len(line)
                    self._see(json.loads(line))
        return self._step, self._total_steps

    def error(self) -> dict[str, str] | None:
        """Why the job failed, if its last attempt did."""
        self.read()
        return self._error

    def _see(self, event: dict[str, Any]) -> None:
        match event["kind"]:
            case "started":
                self._step, self._total_steps = event["from_step"], event["total_steps"]
                self._error = None
            case "step":
                self._step = event["step"]
            case "progress":
                self._step, self._total_steps = event["done"], event["total"] or 0
            case "failed":
                keys = ("reason", "message", "hint")
                self._error = {key: event[key] for key in keys}
            case _:
                pass
