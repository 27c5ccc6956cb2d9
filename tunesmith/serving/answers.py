"""The state of an answer that is being written, and the line of those that wait."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tunesmith.serving.adapters import Adapter
from tunesmith.serving.cache import blocks_for
from tunesmith.serving.protocol import Finish, GenerationRequest, Piece, Token
from tunesmith.serving.sampling import Chooser
from tunesmith.serving.text import TextStream


@dataclass(eq=False)
class Answer:
    """One choice of a request.

    Attributes:
        tokens: the prompt and what was chosen so far.
        table: its blocks of the cache.
        num_stored: positions of the cache that hold its keys and values, with what an adapter put
            before the prompt.
    """

    request: GenerationRequest
    choice: int
    adapter: Adapter
    max_tokens: int
    chooser: Chooser
    text: TextStream
    emit: Callable[[Piece], None]
    tokens: list[int]
    table: list[int] = field(default_factory=list)
    num_stored: int = 0

    @property
    def num_blocks(self) -> int:
        """Blocks that it may come to need. The last token is chosen and never read."""
        longest = self.adapter.num_virtual + len(self.request.prompt) + self.max_tokens - 1
        return blocks_for(longest)

    @property
    def num_unread(self) -> int:
        """Tokens that the model has not read yet; 1 while the answer is written."""
        return self.adapter.num_virtual + len(self.tokens) - self.num_stored

    @property
    def tokens_stored(self) -> list[int]:
        """Tokens whose keys and values are in the cache."""
        return self.tokens[: self.num_stored - self.adapter.num_virtual]

    def take(self, token: Token, *, end_ids: frozenset[int]) -> Finish | None:
        """Add a chosen token and pass on what is certain; says whether and why it was the last."""
        self.tokens.append(token.id)
        text = "" if token.id in end_ids else self.text.push(token.id)
        finish = self._finish(token, end_ids)
        if finish is not None:
            text += self.text.rest()
        self.emit(Piece(self.choice, text, token, finish))
        return finish

    def _finish(self, token: Token, end_ids: frozenset[int]) -> Finish | None:
        constraint = self.chooser.constraint
        complete = constraint is not None and constraint.complete
        if token.id in end_ids or self.text.stopped or complete:
            return "stop"
        if len(self.tokens) - len(self.request.prompt) == self.max_tokens:
            return "length"
        return None


class Line:
    """Answers that wait. Owners take turns; the first in line is never overtaken by a smaller one.

    First comes whose owner has the fewest answers under way, then who came first.
    """

    def __init__(self) -> None:
        self._waiting: list[Answer] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, answer: Answer) -> None:
        """Wait behind the owner's others."""
        self._waiting.append(answer)

    def leave(self, answer: Answer) -> None:
        """Wait no more."""
        self._waiting.remove(answer)

    def __contains__(self, answer: Answer) -> bool:
        return answer in self._waiting

    def first(self, running: Iterable[Answer]) -> Answer | None:
        """Whose turn it is."""
        owners = [answer.request.owner for answer in running]
        return min(
            self._waiting, key=lambda answer: owners.count(answer.request.owner), default=None
        )
