"""The shapes in which people keep training data, and how each becomes an example."""

from tunesmith.data.formats.dataset_info import DatasetInfo, choose_dataset, read_dataset_info
from tunesmith.data.formats.fields import RowRejected
from tunesmith.data.formats.table import (
    FORMATS,
    Detection,
    Format,
    check_mapping,
    detect,
    rename,
)

__all__ = [
    "FORMATS",
    "DatasetInfo",
    "Detection",
    "Format",
    "RowRejected",
    "check_mapping",
    "choose_dataset",
    "detect",
    "read_dataset_info",
    "rename",
]
