"""Every kind of job that can be asked for: one literal table."""

from collections.abc import Mapping
from typing import Any

from tunesmith.service.kinds.comparing import COMPARE, EVALUATE
from tunesmith.service.kinds.importing import IMPORT
from tunesmith.service.kinds.kind import JobKind
from tunesmith.service.kinds.mixing import MIX
from tunesmith.service.kinds.previewing import PREVIEW
from tunesmith.service.kinds.pulling import PULL
from tunesmith.service.kinds.registering import REGISTER
from tunesmith.service.kinds.training import EXTEND, PREFLIGHT, TRAIN

KINDS: Mapping[str, JobKind[Any]] = {
    "train": TRAIN,
    "extend": EXTEND,
    "import": IMPORT,
    "pull": PULL,
    "register": REGISTER,
    "preflight": PREFLIGHT,
    "preview": PREVIEW,
    "mix": MIX,
    "compare": COMPARE,
    "evaluate": EVALUATE,
}
