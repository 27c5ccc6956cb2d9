"""GPUs as NVIDIA's library tells of them; no machine of ours has one, so it is played."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from tunesmith.service.gpus import GpuLoad, read_gpus


class NVMLError(Exception):
    """As the library's."""


def _library(*, num_gpus: int | None) -> ModuleType:
    """With so many GPUs; None is without a driver."""

    def init() -> None:
        if num_gpus is None:
            raise NVMLError

    played = ModuleType("pynvml")
    vars(played).update(
        NVMLError=NVMLError,
        nvmlInit=init,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: num_gpus,
        nvmlDeviceGetHandleByIndex=lambda place: place,
        nvmlDeviceGetName=lambda place: f"GPU {place}",
        nvmlDeviceGetMemoryInfo=lambda place: SimpleNamespace(used=10, total=40),
        nvmlDeviceGetUtilizationRates=lambda place: SimpleNamespace(gpu=25),
    )
    return played


def test_gpus_are_told_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", _library(num_gpus=2))
    assert read_gpus() == [GpuLoad(f"GPU {n}", 0.25, 10, 40) for n in range(2)]
    monkeypatch.setitem(sys.modules, "pynvml", _library(num_gpus=None))
    assert read_gpus() == []
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert read_gpus() == []
