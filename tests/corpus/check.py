"""`python -m tests.corpus.check`: read every file of the corpus, each in a process of its own.

Each must be accepted or refused in one sentence, in 10 seconds and 500 MB. Prints what went wrong,
a table of counts, and the slowest and the largest; exit code 1 if anything went wrong.
"""

import argparse
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import openpyxl  # noqa: F401  what reading needs is imported once, before the processes part

from tests.corpus.case import Case
from tests.corpus.make_corpus import corpus
from tests.corpus.reading import read_file

MAX_SECONDS, MAX_MEGABYTES, MAX_CHARACTERS = 10, 500, 600


@dataclass(frozen=True)
class Outcome:
    name: str
    accepted: bool
    sentence: str
    problem: str
    seconds: float
    megabytes: float


def problem_of(case: Case, *, accepted: bool, sentence: str) -> str:
    """What is wrong with an outcome, or nothing."""
    if case.verdict not in ("either", "accepted" if accepted else "refused"):
        return f"should be {case.verdict}"
    if accepted:
        return ""
    if not sentence.isprintable() or len(sentence) > MAX_CHARACTERS:
        return f"is not one sentence ({len(sentence)} characters)"
    if Path(case.name).name not in sentence:
        return "does not name the file"
    if not re.search(case.place, sentence):
        return f"does not say {case.place!r}"
    return ""


def check(case: Case, folder: Path) -> Outcome:
    path = case.write(folder)
    started = time.monotonic()
    status, answer, megabytes = _read_apart(path)
    seconds = time.monotonic() - started
    path.unlink()
    if status == signal.SIGALRM:
        problem, answer = f"took more than {MAX_SECONDS} s", "?"
    elif status != 0:
        problem = f"ended with status {status}"
    else:
        problem = problem_of(case, accepted=answer == "", sentence=answer)
        if megabytes > MAX_MEGABYTES:
            problem = f"took {megabytes:.0f} MB"
    return Outcome(case.name, answer == "", answer, problem, seconds, megabytes)


def _read_apart(path: Path) -> tuple[int, str, float]:
    """Status, sentence and peak memory of a child that reads `path`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(MAX_SECONDS)
        try:
            _, sentence = read_file(path)
            status = 0
        except BaseException:
            sentence, status = traceback.format_exc(), 3
        os.write(writer, sentence.encode("utf-8", "replace")[:60_000])
        os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        sentence = pipe.read().decode("utf-8", "replace")
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return (-code if code < 0 else code), sentence, usage.ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a part of the names of files")
    parser.add_argument("--show", action="store_true", help="print every sentence")
    arguments = parser.parse_args()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as scratch:
        for case in corpus():
            if arguments.only not in case.name:
                continue
            outcome = check(case, Path(scratch))
            outcomes.append(outcome)
            if outcome.problem or arguments.show:
                print(f"{outcome.problem or 'ok'}: {outcome.name}: {outcome.sentence}", flush=True)
    _print_table(outcomes)
    return 1 if any(outcome.problem for outcome in outcomes) else 0


def _print_table(outcomes: list[Outcome]) -> None:
    kinds = Counter((Path(o.name).suffix or "-", o.accepted) for o in outcomes)
    print(f"{'kind':10}{'accepted':>10}{'refused':>10}")
    for kind in sorted({kind for kind, _ in kinds}):
        print(f"{kind:10}{kinds[kind, True]:10}{kinds[kind, False]:10}")
    num_accepted = sum(outcome.accepted for outcome in outcomes)
    print(f"{'all':10}{num_accepted:10}{len(outcomes) - num_accepted:10}")
    num_wrong = sum(bool(outcome.problem) for outcome in outcomes)
    print(f"\n{len(outcomes)} files, {num_wrong} wrong")
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    largest = max(outcomes, key=lambda outcome: outcome.megabytes)
    print(f"slowest {slowest.seconds:.1f} s: {slowest.name}")
    print(f"largest {largest.megabytes:.0f} MB: {largest.name}")


if __name__ == "__main__":
    sys.exit(main())
