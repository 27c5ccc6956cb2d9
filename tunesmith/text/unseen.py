"""Texts that a template can print but not look at: how it is proven that it only prints them.

A template that renders a conversation whose contents are `Unseen` took no decision by what they
say: it can join them with other text, trim and print them, and whatever else it does with one
raises `Seen`. So it prints the same around any contents, and one rendering of a conversation is
proof for all others of the same roles. What it prints must stay out of its reach as well, see
`LimitedSandbox.captures`.
"""

from typing import Any, NoReturn


class Seen(BaseException):
    """The template looked at a content. No `Exception`, which jinja2 takes for an answer."""


def _refuse(self: object, *_: object) -> NoReturn:
    raise Seen


class Unseen:
    """A content, or what was made of one, that shows nothing of itself.

    Even its class is hidden, so that `isinstance` raises, by which filters and tests ask.

    Args:
        text: what is printed.
        is_content: whether it is a content as it came, which is known not to be empty.
    """

    __slots__ = ("_is_content", "_text")

    def __init__(self, text: str, *, is_content: bool = True) -> None:
        object.__setattr__(self, "_text", text)
        object.__setattr__(self, "_is_content", is_content)

    def __bool__(self) -> bool:
        return _only_content(self) != ""

    __getattribute__ = __str__ = __repr__ = __format__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _refuse
    __len__ = __iter__ = __getitem__ = __contains__ = _refuse


def text_of(part: str | Unseen) -> str:
    """The text itself, for those who are not the template."""
    return object.__getattribute__(part, "_text") if type(part) is Unseen else str(part)


def joined(left: Any, right: Any) -> Unseen:
    """`left` and `right`, of which one is unseen, end to end.

    Raises:
        Seen: the other is no text, so that the template would fail.
    """
    if not {type(left), type(right)} <= {str, Unseen}:
        raise Seen
    return Unseen(text_of(left) + text_of(right), is_content=False)


def trimmed(content: Unseen) -> Unseen:
    """`content` without blanks at its ends.

    Raises:
        Seen: it is more than one content, of which blanks at the seam would tell.
    """
    return Unseen(_only_content(content).strip(), is_content=False)


def _only_content(part: Unseen) -> str:
    if not object.__getattribute__(part, "_is_content"):
        raise Seen
    return text_of(part)
