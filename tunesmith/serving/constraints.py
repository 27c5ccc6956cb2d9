"""Answers that are JSON by construction: tokens that would break it are never chosen."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from llguidance import LLMatcher, LLTokenizer
from tokenizers import Tokenizer
from torch import Tensor

from tunesmith.errors import RequestRejected


class Constraint:
    """What one answer may go on with."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    def forbid(self, logits_V: Tensor) -> None:
        """Set the logits of tokens that may not come next to -inf, in place."""
        allowed_V = torch.frombuffer(
            bytearray(self._matcher.compute_logit_bias()), dtype=torch.bool
        )
        logits_V[: len(allowed_V)].masked_fill_(~allowed_V[: len(logits_V)], float("-inf"))
        logits_V[len(allowed_V) :] = float("-inf")

    def accept(self, token_id: int) -> None:
        """Go on to the state behind this token."""
        accepted = self._matcher.consume_token(token_id)
        assert accepted, self._matcher.get_error()

    @property
    def complete(self) -> bool:
        """Whether nothing may follow."""
        return self._matcher.is_stopped()


class Constraints:
    """Makes constraints for one tokenizer. Takes a second to build."""

    def __init__(self, tokenizer: Tokenizer, *, num_ids: int, end_ids: Sequence[int]) -> None:
        self._tokenizer = LLTokenizer(tokenizer.to_str(), n_vocab=num_ids, eos_token=list(end_ids))

    def json(self, schema: Mapping[str, Any]) -> Constraint:
        """The constraint to JSON that `schema` accepts.

        Raises:
            RequestRejected: the schema is not valid, or too complex.
        """
        try:
            # One space at most: with free whitespace a model may go on and never write a value.
            grammar = LLMatcher.grammar_from_json_schema(
                json.dumps(schema), overrides={"whitespace_pattern": " ?"}
            )
        except ValueError as error:
            raise RequestRejected(f"the JSON schema cannot be used: {error}") from error
        matcher = LLMatcher(self._tokenizer, grammar)
        if matcher.is_error():
            reason = matcher.get_error().splitlines()[0]
            raise RequestRejected(f"the JSON schema cannot be used: {reason}")
        return Constraint(matcher)
