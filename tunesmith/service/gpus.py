"""How busy this machine's GPUs are, where it has any and NVIDIA's library is installed."""

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GpuLoad:
    """A GPU: a share of its time, and bytes of its memory."""

    name: str
    busy: float
    used_memory: int
    total_memory: int


def read_gpus() -> list[GpuLoad]:
    """This machine's GPUs; none without a driver, or without the extra `tunesmith[gpu]`."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return []
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:  # no driver
        return []
    try:
        handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
        return [_load(nvml, handle) for handle in handles]
    finally:
        nvml.nvmlShutdown()


def _load(nvml: Any, handle: Any) -> GpuLoad:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return GpuLoad(
        name=nvml.nvmlDeviceGetName(handle),
        busy=nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
        used_memory=memory.used,
        total_memory=memory.total,
    )
