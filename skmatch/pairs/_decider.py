"""The last word: pairs are decided by more than what the stacking levels say.

A cross-encoder, which reads both titles at once and is too slow for all candidates, is
asked about the candidates that the levels are not sure of, or about all pairs that
someone gives; the latter are compared with known products, too. A classifier of few
numbers decides by both and by what the last level says. All other pairs stay as they
are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.pairs._context import Context, Level, PairIndices
from skmatch.pairs._known_products import NAMES, KnownProducts, compare_with_known
from skmatch.pairs._probabilities import log_odds, match_probability
from skmatch.persistence import savable

if TYPE_CHECKING:
    from skmatch.pairs._model import DescribedPairs


@savable
class Decider(NamedTuple):
    """A fitted classifier of evidence, and where that comes from."""

    classifier: Any  # of the log-odds of the last level and the evidence
    cross_encoder: Any  # fitted classifier of two texts, or None
    width: float  # largest log-odds, on either side of 0, of candidates to decide
    known: KnownProducts | None
    of_given: bool  # whether it decides none but the pairs that were given

    @property
    def names(self) -> list[str]:
        """The names of the evidence."""
        names = [] if self.cross_encoder is None else ["cross_encoder"]
        return names if self.known is None else [*names, *NAMES]

    def find(self, pairs: DescribedPairs, level: Level) -> NDArray[np.intp]:
        """Return which pairs it decides."""
        if self.of_given:
            return np.flatnonzero(pairs.context.is_given(pairs.indices))
        return np.flatnonzero(is_uncertain(log_odds(level.propagated), self.width))

    def gather(
        self, pairs: DescribedPairs, level: Level, rows: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """Return the evidence of all pairs, which is 0 of those that it leaves."""
        columns = []
        if self.cross_encoder is not None:
            columns.append(ask(self.cross_encoder, pairs, rows)[:, None])
        if self.known is not None:
            context, indices = pairs.context, pairs.indices.at(rows)
            scores, beside = level.of_left.graph, context.beside
            is_among = beside is context.left  # else these may be in a catalogue, too
            own = np.empty(0, object) if is_among else context.left.fields
            products = self.known.find(beside.fields, without=own)
            columns.append(
                compare_with_known(scores, indices, products, is_among=is_among)
            )
        evidence = np.zeros((len(pairs.indices.left), len(self.names)), np.float32)
        evidence[rows] = np.column_stack(columns)
        return evidence

    def decide(
        self,
        level: Level,
        rows: NDArray[np.intp],
        evidence: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return the probabilities of all pairs, with some of them decided."""
        probabilities = level.probabilities.copy()
        seen = np.column_stack([log_odds(level.propagated)[rows], evidence[rows]])
        probabilities[rows] = match_probability(self.classifier, seen)
        return probabilities


def is_uncertain(odds: NDArray[np.float32], width: float) -> NDArray[np.bool_]:
    """Tell which log-odds are no further than this from 0."""
    return np.abs(odds) <= width


def ask(
    cross_encoder: Any, pairs: DescribedPairs, rows: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the log-odds that a classifier of two texts gives some pairs."""
    if not len(rows):
        return np.empty(0, np.float32)
    texts = read_pairs(pairs.context, pairs.indices, rows)
    return log_odds(match_probability(cross_encoder, texts))


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
