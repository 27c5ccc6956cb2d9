"""Logits -> the next token of each sequence.

Every sequence that samples has a random generator of its own, so what else is in the batch changes
nothing about its choices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tunesmith.serving.constraints import Constraint
from tunesmith.serving.protocol import Sampling, Token


@dataclass(frozen=True)
class Chooser:
    """How one sequence chooses its tokens."""

    sampling: Sampling
    generator: torch.Generator
    constraint: Constraint | None

    @classmethod
    def of(cls, sampling: Sampling, choice: int, constraint: Constraint | None) -> "Chooser":
        """For the given choice of a request."""
        generator = torch.Generator().manual_seed((sampling.seed + choice) % 2**63)
        return cls(sampling, generator, constraint)


def choose(logits_SV: Tensor, choosers: Sequence[Chooser]) -> list[Token]:
    """The next token of each of S sequences."""
    logits_SV = logits_SV.float()
    scored = [c.sampling.top_logprobs is not None for c in choosers]
    logprobs_SV = torch.log_softmax(logits_SV, dim=-1) if any(scored) else logits_SV
    allowed_SV = logits_SV.clone() if any(c.constraint for c in choosers) else logits_SV
    for allowed_V, chooser in zip(allowed_SV, choosers, strict=True):
        if chooser.constraint is not None:
            chooser.constraint.forbid(allowed_V)
    ids = allowed_SV.argmax(dim=-1).tolist()
    tokens: list[Token] = []
    for index, chooser in enumerate(choosers):
        if chooser.sampling.temperature > 0:
            ids[index] = _draw(allowed_SV[index], chooser)
        if scored[index]:
            tokens.append(_scored(ids[index], logprobs_SV[index], chooser.sampling))
        else:
            tokens.append(Token(ids[index]))
        if chooser.constraint is not None:
            chooser.constraint.accept(ids[index])
    return tokens


def _draw(logits_V: Tensor, chooser: Chooser) -> int:
    """Sample with temperature among the likeliest tokens that reach `top_p` together.

    The likeliest token always stays, as in transformers.
    """
    scaled_V = logits_V / chooser.sampling.temperature
    if chooser.sampling.top_p < 1:
        sorted_V, order_V = scaled_V.sort(descending=True)
        probs_V = sorted_V.softmax(dim=-1)
        before_V = probs_V.cumsum(dim=-1) - probs_V
        probs_V[before_V >= chooser.sampling.top_p] = 0
        return int(order_V[probs_V.multinomial(1, generator=chooser.generator)])
    return int(scaled_V.softmax(dim=-1).multinomial(1, generator=chooser.generator))


def _scored(token_id: int, logprobs_V: Tensor, sampling: Sampling) -> Token:
    values, ids = logprobs_V.topk(min(sampling.top_logprobs or 0, len(logprobs_V)))
    top = tuple(zip(ids.tolist(), values.tolist(), strict=True))
    return Token(token_id, logprob=float(logprobs_V[token_id]), top=top)
