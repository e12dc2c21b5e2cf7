"""Pairs that a person judged: asked in the terminal, kept in a file, read again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skmatch.cli._errors import say
from skmatch.cli._files import read_columns, write_table
from skmatch.cli._listings import Listings

_COLUMNS = ["left", "right", "left_title", "right_title", "is_match"]
_MEANS = {"1": True, "true": True, "y": True, "yes": True} | {
    "0": False,
    "false": False,
    "n": False,
    "no": False,
}


class Judged(NamedTuple):
    """Pairs of rows that were judged."""

    pairs: NDArray[np.intp]  # (n_pairs, 2)
    is_match: NDArray[np.bool_]  # (n_pairs,)


class AnswerFile:
    """A file of answers, which is whole after each one."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        if Path(path).exists():
            read_columns(path, _COLUMNS)  # which has to have these
            self._columns = {
                name: ["" if value is None else str(value) for value in column]
                for name, column in read_columns(path).items()
                for column in [column.to_pylist()]
            }

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self._columns["left"])

    def add(self, names: tuple[Any, Any], titles: tuple[str, str], answer: str) -> None:
        """Keep an answer."""
        values = (*map(str, names), *titles, str(int(_MEANS[answer])))
        row = dict(zip(_COLUMNS, values, strict=True))
        for name, column in self._columns.items():
            column.append(row.get(name, ""))
        write_table(self._path, pa.table(self._columns))


def read_answers(path: str, listings: Listings) -> Judged | None:
    """Return what was answered of the rows of listings; None without such an answer."""
    columns = read_columns(path, ["left", "right", "is_match"])
    place = {str(name): row for row, name in enumerate(listings.names)}
    pairs, is_match = [], []
    answers = zip(*(column.to_pylist() for column in columns.values()), strict=True)
    n_unknown = 0
    for row, (left, right, answer) in enumerate(answers):
        meant = _MEANS.get(str(answer).strip().lower())
        if meant is None:
            raise ValueError(
                f"{path}: row {row} has {answer!r:.50} in column 'is_match'; expected "
                f"one of {', '.join(_MEANS)}."
            )
        if str(left) in place and str(right) in place:
            pairs.append((place[str(left)], place[str(right)]))
            is_match.append(meant)
        else:
            n_unknown += 1
    if n_unknown:
        say(f"{n_unknown} answers of {path} are of other listings, and left out")
    return Judged(np.array(pairs), np.array(is_match)) if pairs else None


def suggest(
    matcher: Any, listings: Listings, judged: Judged | None, n_pairs: int
) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows to judge, none of which was judged."""
    known = set() if judged is None else {frozenset(p) for p in judged.pairs.tolist()}
    pairs = matcher.suggest_pairs(listings.X, n_pairs + len(known))
    fresh = [(a, b) for a, b in pairs.tolist() if frozenset((a, b)) not in known]
    yield from fresh[:n_pairs]


def ask(titles: tuple[str, str], number: int, n_pairs: int) -> str:
    """Ask until there is an answer: y, n, s or q, which is also the end of input."""
    say(f"\n{number} of {n_pairs}\n  {titles[0]}\n  {titles[1]}")
    while True:
        say("same product? y(es), n(o), s(kip), q(uit)")
        line = sys.stdin.readline()
        answer = line.strip().lower()[:1] if line else "q"
        if answer and answer in "ynsq":
            return answer
