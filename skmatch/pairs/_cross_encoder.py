"""A cascade: a cross-encoder is asked about the pairs that the levels are not sure of.

It reads both titles at once, which is too slow for all candidates. A classifier then
decides the pairs that it was asked about, by what it says and what the last level says
of them and around them. All others stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.pairs._context import Context, Level, PairIndices
from skmatch.pairs._probabilities import log_odds, match_probability
from skmatch.persistence import savable

if TYPE_CHECKING:
    from skmatch.pairs._model import DescribedPairs


@savable
class CrossEncoder(NamedTuple):
    """A fitted classifier of two titles, and what makes use of it."""

    classifier: Any  # of two texts
    decider: Any  # classifier of `see_answers`
    width: float  # largest log-odds, on either side of 0, of an uncertain pair
    of_given: bool  # whether it is asked about none but the pairs that were given

    def find(self, pairs: DescribedPairs, level: Level) -> NDArray[np.intp]:
        """Return which pairs it is asked about."""
        is_asked = np.abs(log_odds(level.propagated)) <= self.width
        if self.of_given:
            is_asked &= pairs.context.is_given(pairs.indices)
        return np.flatnonzero(is_asked)

    def ask(
        self, pairs: DescribedPairs, level: Level, asked: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """Return the log-odds of all pairs: its own of those that it is asked about."""
        odds = log_odds(level.propagated)
        odds[asked] = ask(self.classifier, pairs.context, pairs.indices, asked)
        return odds

    def decide(
        self,
        pairs: DescribedPairs,
        level: Level,
        asked: NDArray[np.intp],
        odds: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return the probabilities of all pairs, with those decided that were asked."""
        probabilities = level.probabilities.copy()
        seen = see_answers(pairs, level, asked, odds[asked])
        probabilities[asked] = match_probability(self.decider, seen)
        return probabilities


def ask(
    classifier: Any, context: Context, indices: PairIndices, rows: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the log-odds that a classifier of two texts gives some pairs."""
    if not len(rows):
        return np.empty(0, np.float32)
    return log_odds(match_probability(classifier, read_pairs(context, indices, rows)))


def see_answers(
    pairs: DescribedPairs,
    level: Level,
    rows: NDArray[np.intp],
    odds: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return features of some pairs: what a level and the cross-encoder say of them."""
    own = log_odds(level.probabilities[rows])[:, None]
    said = pairs.at(rows).add_level(own, level.at(rows))
    return np.column_stack([said, odds])


def read_pairs(
    context: Context, indices: PairIndices, rows: NDArray[np.intp]
) -> NDArray[np.object_]:
    """Return the texts of pairs, all fields of both rows: (n_pairs, 2)."""
    sides = []
    both = ((context.left, indices.left), (context.right, indices.right))
    for encoded, places in both:
        used, position = np.unique(places[rows], return_inverse=True)
        texts = np.empty(len(used), dtype=object)
        texts[:] = [_as_text(row) for row in encoded.fields[used].tolist()]
        sides.append(texts[position])
    return np.column_stack(sides)


def _as_text(row: Any) -> str:
    """Join the fields of a row that are there."""
    fields = row if isinstance(row, list) else [row]
    there = (x for x in fields if x is not None and type(x).__name__ != "NAType")
    return " ".join(str(field) for field in there if field == field)  # NaN is not
