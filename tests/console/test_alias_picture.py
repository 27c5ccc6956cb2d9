"""Lines over lanes: which version an alias pointed to, and when it moved."""

from datetime import UTC, datetime, timedelta

from tunesmith.console.alias_picture import draw_aliases
from tunesmith.service.alias_moves import AliasMoveView

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def _move(alias: str, day: int, before: str | None, after: str | None) -> AliasMoveView:
    return AliasMoveView(alias, before, after, "ann@example.org", _BEGIN + timedelta(days=day))


def test_a_line_steps_from_version_to_version() -> None:
    moves = [_move("prod", 5, "a@1", "a@2"), _move("prod", 1, None, "a@1")]
    picture = draw_aliases({"prod": moves}, versions=["a@3", "a@2", "a@1"])
    assert [(lane.model, lane.y) for lane in picture.lanes] == [("a@2", 20), ("a@1", 60)]
    assert [line.path for line in picture.lines] == ["M32 60H96V20H128"]


def test_aliases_share_one_time_and_keep_apart_on_a_lane() -> None:
    histories = {
        "next": [_move("next", 2, None, "a@1")],
        "prod": [
            _move("prod", 4, None, "b@7"),
            _move("prod", 3, "a@1", None),  # removed, then made anew
            _move("prod", 1, None, "a@1"),
        ],
    }
    picture = draw_aliases(histories, versions=["a@1"])
    assert [lane.model for lane in picture.lanes] == ["a@1", "b@7"]
    assert [line.path for line in picture.lines] == ["M96 17H256", "M32 23H160M224 63H256"]


def test_a_history_that_began_earlier_comes_in_from_the_left() -> None:
    picture = draw_aliases({"prod": [_move("prod", 9, "a@1", "a@2")]}, versions=["a@2", "a@1"])
    assert picture.lines[0].path == "M0 60H32V20H64"
