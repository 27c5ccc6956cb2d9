"""An example as tokens with a loss mask.

Axes: T tokens of one example, E its learned texts (answers, or the one passage).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

# The role of a token is its place in this table; "template" is what the chat template adds.
ROLES = ("template", "system", "user", "assistant", "tool", "text")


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """The tokens of one example.

    Attributes:
        token_ids: int32 [T].
        trained: bool [T], whether the loss counts the prediction of this token.
        roles: uint8 [T], index into `ROLES` of whose content a token belongs to.
        turn_ends: int64 [E], position of the token that ends each answer or passage.
        char_ends: int32 [T], where each token ends in `text`; several tokens may share a character.
        text: the text that was encoded.
        truncated: whether tokens were cut off.
    """

    token_ids: NDArray[np.int32]
    trained: NDArray[np.bool_]
    roles: NDArray[np.uint8]
    turn_ends: NDArray[np.int64]
    char_ends: NDArray[np.int32]
    text: str
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def usable(self) -> bool:
        """Whether a trained token is left. The first token of a row is never predicted."""
        return bool(self.trained[1:].any())


def truncate(encoded: EncodedExample, max_length: int) -> EncodedExample:
    """Cut the tail beyond `max_length` tokens.

    A cut answer loses its end of turn, so the caller reports `truncated` and leaves out what is no
    longer `usable`.
    """
    if len(encoded) <= max_length:
        return encoded
    return replace(
        encoded,
        token_ids=encoded.token_ids[:max_length],
        trained=encoded.trained[:max_length],
        roles=encoded.roles[:max_length],
        turn_ends=encoded.turn_ends[encoded.turn_ends < max_length],
        char_ends=encoded.char_ends[:max_length],
        truncated=True,
    )
