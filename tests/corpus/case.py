"""A file that may be wrong, and what reading it must come to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Verdict = Literal["accepted", "refused", "either"]

ROW = {"instruction": "Name a colour.", "input": "", "output": "Blue."}
ZH_ROW = {
    "instruction": "请介绍一下你自己，好吗？",
    "input": "",
    "output": "我是一个人工智能助手，可以回答问题。",
}


@dataclass(frozen=True)
class Case:
    """One file of the corpus.

    Attributes:
        name: of the file.
        content: its bytes, or a function that writes it.
        verdict: `either` where both are right, as long as a refusal is one clear sentence.
        place: a pattern that the sentence of a refusal must contain, such as `row 2`.
    """

    name: str
    content: bytes | Callable[[Path], Any]
    verdict: Verdict = "refused"
    place: str = ""

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        if isinstance(self.content, bytes):
            path.write_bytes(self.content)
        else:
            self.content(path)
        return path
