"""Plain text for continued pre-training: pieces by a cut string, windows by a number of tokens."""

from dataclasses import replace

from tunesmith.data.config import PassagesConfig
from tunesmith.text.conversation import Passage
from tunesmith.text.encoded import EncodedExample


def cut_pieces(passage: Passage, config: PassagesConfig) -> tuple[list[Passage], int]:
    """`passage` split at the hard cut, and the number of pieces left out as too short or blank."""
    texts = passage.text.split(config.hard_cut) if config.hard_cut else [passage.text]
    pieces = [
        Passage(text)
        for text in texts
        if text.strip() and len(text.strip()) >= config.skip_shorter_than
    ]
    return pieces, len(texts) - len(pieces)


def cut_windows(encoded: EncodedExample, *, window: int, overlap: int) -> list[EncodedExample]:
    """The tokens of a passage in windows of at most `window`.

    A window after the first begins with the `overlap` last tokens of the one before, at least one,
    which are context and not trained again: each token of the passage is trained in one window, and
    has a token before it that predicts it. Only the last window has the end of the passage.
    """
    context = max(overlap, 1)
    windows: list[EncodedExample] = []
    start, end = 0, min(window, len(encoded))
    while True:
        trained = encoded.trained[start:end].copy()
        if start > 0:
            trained[:context] = False
        ends = encoded.turn_ends
        windows.append(
            replace(
                encoded,
                token_ids=encoded.token_ids[start:end],
                trained=trained,
                roles=encoded.roles[start:end],
                turn_ends=ends[(ends >= start) & (ends < end)] - start,
                char_ends=encoded.char_ends[start:end],
            )
        )
        if end == len(encoded):
            return windows
        start, end = end - context, min(end - context + window, len(encoded))
