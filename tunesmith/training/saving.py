"""How often to save and how much to keep, from three questions about a machine and its use (F184).

Torch-free. Answers fill the settings that a recipe leaves out, as presets do.
"""

from collections.abc import Collection, Mapping
from typing import Any

from tunesmith.schema import choose
from tunesmith.training.presets import Values, with_defaults

# What may be so, and the question to which it is the answer yes.
NEEDS: Mapping[str, str] = {
    "plenty-of-disk": "Is there plenty of disk?",
    "stops-often": "Does the machine stop often?",
    "look-back": "Will earlier stages be looked at again, or trained on from?",
}
NONE = "none"  # how a command says that all three are answered with no

# For each setting: the first need that is there decides, else the last line (F71, F74, F75).
_RULES: Mapping[str, Mapping[str, Any]] = {
    "checkpoint.every_steps": {
        "stops-often": 200,
        "plenty-of-disk": 2000,
        "look-back": 2000,
        NONE: 5000,
    },
    "checkpoint.every_minutes": {"stops-often": 5.0, NONE: 30.0},
    "checkpoint.keep": {"plenty-of-disk": "all", "look-back": 10, NONE: 5},
}


def saving_settings(needs: Collection[str]) -> dict[str, Any]:
    """The settings of checkpoints for what is needed, by dotted path.

    Raises:
        NotFound: there is no such need.
    """
    there = {need for need in needs if choose({**NEEDS, NONE: ""}, need, what="need")} | {NONE}
    return {
        path: next(value for need, value in rule.items() if need in there)
        for path, rule in _RULES.items()
    }


def with_needs(values: Values, needs: Collection[str]) -> Values:
    """A recipe's values with those for what is needed where it says nothing itself.

    Raises:
        NotFound: there is no such need.
    """
    return with_defaults(values, saving_settings(needs))
