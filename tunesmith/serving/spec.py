"""What a process serves and where. Torch-free."""

from tunesmith.schema import Strict, setting
from tunesmith.serving.config import EngineConfig


class ServeSpec(Strict):
    """A base model, its adapters by name, and an address. Paths are absolute."""

    name: str = setting(..., "what the base model answers to")
    base: str = setting(..., "its folder")
    adapters: dict[str, str] = setting({}, "folders of adapters by the names they answer to")
    engine: EngineConfig = setting(EngineConfig(), "how much is taken on")
    host: str = setting("127.0.0.1", "address to listen on")
    port: int = setting(0, "port to listen on; 0 takes one that is free", ge=0, le=65535)
    key: str | None = setting(None, "who asks sends it as a bearer token; None lets all in")
    memory_bytes: int | None = setting(None, "the most memory to take", unit="bytes", ge=1)
    tls_certificate: str | None = setting(None, "certificate chain, PEM")
    tls_key: str | None = setting(None, "private key, PEM")
