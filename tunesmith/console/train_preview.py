"""What the training form says, and what it would come to: in figures, as YAML, as commands."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from tunesmith.console import recipe_form
from tunesmith.errors import RecipeInvalid
from tunesmith.service.drafts import DraftNote, DraftView, check_draft
from tunesmith.service.grids import spread
from tunesmith.service.services import Services


@dataclass(frozen=True)
class Posted:
    """What the form says: a recipe's settings by path, and what is not part of a recipe."""

    texts: dict[str, str]
    datasets: list[str]
    channels: list[str]
    needs: list[str]
    extra: dict[str, str]

    @classmethod
    def of(
        cls,
        texts: dict[str, str],
        datasets: list[str],
        *,
        channels: Sequence[str] = (),
        needs: Sequence[str] = (),
        **extra: str,
    ) -> "Posted":
        """With nothing else, unless it is given."""
        chosen = [each for each in datasets if each]
        return cls(texts, chosen, list(channels), list(needs), extra)

    def values_and_grid(self) -> tuple[dict[str, Any], dict[str, list[Any]]]:
        """A recipe's values, and those of which every combination is to be tried.

        Raises:
            RecipeInvalid: a text is no YAML; the message begins with its path.
        """
        grid = recipe_form.grid_of(self.texts)
        single = {path: text for path, text in self.texts.items() if path not in grid}
        return recipe_form.values_of(single, self.datasets), grid


@dataclass(frozen=True)
class Preview:
    """A form, looked at.

    Attributes:
        draft: of its run, or of the first of several; problems and warnings are those of all.
        runs: their names; none while the form cannot be read.
        yaml: the recipe, without the values that are tried.
        command: that starts the same runs.
    """

    draft: DraftView
    runs: Sequence[str]
    yaml: str
    command: str


def look_at(services: Services, tenant_id: str, posted: Posted, _: Callable[[str], str]) -> Preview:
    """What a form would come to; `_` translates what is asked for."""
    unfilled = list(_unfilled(posted, _))
    try:
        values, grid = posted.values_and_grid()
        every = spread(values, grid)
    except RecipeInvalid as error:
        path = error.message.partition(":")[0].partition(",")[0]
        notes = [*unfilled, DraftNote(path, error.message, error.hint)]
        return Preview(DraftView(None, notes, [], None, []), [], "", "")
    drafts = [check_draft(services, tenant_id, each) for each in every]
    # What is not filled in yet is asked for, rather than called wrong.
    asked = {note.path.partition(".")[0] for note in unfilled}
    problems = _once(note for draft in drafts for note in draft.problems)
    wrong = [note for note in problems if note.path.partition(".")[0] not in asked]
    warnings = _once(note for draft in drafts for note in draft.warnings)
    return Preview(
        draft=replace(drafts[0], problems=[*unfilled, *wrong], warnings=warnings),
        runs=[each["name"] for each in every],
        yaml=yaml.safe_dump(values, sort_keys=False, allow_unicode=True),
        command=_command(values, grid, start_from=posted.extra.get("start_from")),
    )


def _once(notes: Iterable[DraftNote]) -> list[DraftNote]:
    return list(dict.fromkeys(notes))


def _unfilled(posted: Posted, _: Callable[[str], str]) -> Iterator[DraftNote]:
    if not posted.texts.get("name", "").strip():
        yield DraftNote("name", _("Give the model a name."))
    if not posted.datasets:
        yield DraftNote("data.train", _("Choose a dataset to train on."))


def _command(
    values: Mapping[str, Any], grid: Mapping[str, Sequence[Any]], *, start_from: str | None
) -> str:
    """Of the recipe as a file of its name."""
    origin = ["--from", start_from] if start_from else []
    tries = [
        part
        for path, tried in grid.items()
        for part in ("--try", f"{path}={' | '.join(map(recipe_form.text_of, tried))}")
    ]
    return shlex.join(["tunesmith", "train", f"{values['name'] or 'recipe'}.yaml", *origin, *tries])
