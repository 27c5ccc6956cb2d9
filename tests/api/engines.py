"""Engines that answer within the tests' own process."""

import threading
import time
from pathlib import Path

import uvicorn

from tunesmith.serving.app import create_app
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.process import load_base
from tunesmith.serving.spec import ServeSpec

SECRET = "between server and engine"


SMALL = EngineConfig(kv_tokens=1024, prefix_tokens=256, max_sequences=4)


class Engines:
    """One for each base model, started when it is first asked for."""

    def __init__(self, config: EngineConfig = SMALL) -> None:
        self._config = config
        self._addresses: dict[Path, str] = {}

    def address(self, base: Path) -> str:
        """Where the base in a folder answers, under the folder's name."""
        if base not in self._addresses:
            spec = ServeSpec(name=base.name, base=str(base), engine=self._config)
            app = create_app(load_base(spec), key=SECRET)
            server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
            threading.Thread(target=server.run, daemon=True).start()
            while not server.started:
                time.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            self._addresses[base] = f"http://127.0.0.1:{port}"
        return self._addresses[base]
