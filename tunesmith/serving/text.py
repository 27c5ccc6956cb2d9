"""Tokens -> text as it becomes certain. Torch-free."""

from collections.abc import Collection, Sequence

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream


class TextStream:
    """The text of one answer, piece by piece.

    A character whose bytes are not all there is never shown, nor is text that may yet turn out to
    be a stop string; a stop string is cut exactly, also when it begins or ends within a token.
    Special tokens are left out, but for `shown_ids`.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, stop: Sequence[str], shown_ids: Collection[int] = ()
    ) -> None:
        self._tokenizer = tokenizer
        self._shown_ids = shown_ids
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._stop = stop
        self._pending = ""
        self.stopped = False

    def push(self, token_id: int) -> str:
        """Text that is certain with this token; sets `stopped` behind a stop string."""
        if token_id in self._shown_ids:
            self._pending += self._tokenizer.id_to_token(token_id) or ""
        else:
            self._pending += self._decoder.step(self._tokenizer, token_id) or ""
        found = [at for text in self._stop if (at := self._pending.find(text)) >= 0]
        if found:
            self.stopped = True
            return self._take(min(found))
        return self._take(len(self._pending) - self._num_held())

    def rest(self) -> str:
        """What was held back, once nothing follows. Half a character is left out."""
        return "" if self.stopped else self._take(len(self._pending))

    def _take(self, size: int) -> str:
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken

    def _num_held(self) -> int:
        """Length of the longest end of the text that a stop string begins with."""
        longest = max((len(text) for text in self._stop), default=1) - 1
        for size in range(min(longest, len(self._pending)), 0, -1):
            if any(text.startswith(self._pending[-size:]) for text in self._stop):
                return size
        return 0
