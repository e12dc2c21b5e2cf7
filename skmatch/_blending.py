"""Probabilities of pairs, blended with those of the confident matches of both rows."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array

from skmatch._candidates import inner_products
from skmatch._score_graph import ScoreGraph

_POWER = 4  # only sure matches have a say: 0.9 counts 0.66, and 0.5 counts 0.06
_FAINTEST = 0.25  # what is less probable would count less than 0.004
_SMALLEST = 0.01  # what is less probable is as good as 0


class Blend:
    """Probabilities of rows against those of a catalogue, or against one another.

    Each is blended: it is the mean over all pairs of a row like the one and a row like
    the other. Like a row are itself and its matches, by the fourth power of their
    probabilities. If matches are transitive, as those of the same product are, these
    pairs all ask the same question, and errors cancel out.

    Parameters
    ----------
    graph : csr_array of shape (n_rows, n_columns)
        Probabilities. Without a catalogue they are symmetric, without a diagonal.
    catalogue : Blend or None
        Probabilities of the columns against one another; None if these are the rows.
    is_blended : bool
        Whether any other row is like a row. If not, the probabilities stay.
    """

    def __init__(
        self, graph: csr_array, catalogue: Blend | None = None, is_blended: bool = True
    ) -> None:
        self.catalogue = catalogue
        self.raw = _keep(graph, _SMALLEST)
        alike = _keep(graph, _FAINTEST if is_blended else 2.0)
        alike.data **= _POWER
        self.own = 1 / (1 + np.asarray(alike.sum(axis=1), np.float32).ravel())
        own = diags_array(self.own, format="csr")
        self.others = csr_array(own @ alike)
        columns = self if catalogue is None else catalogue
        means = own @ self.raw + self.others @ columns.among()
        if catalogue is None:
            means = means + own
        blended = csr_array(means @ columns.weights().T)
        if catalogue is None:
            blended = csr_array((blended + blended.T) / 2)  # no rounding in its way
            blended -= diags_array(blended.diagonal(), format="csr")
        self.graph = _keep(blended, _SMALLEST)
        self.graph.sort_indices()

    def weights(self) -> csr_array:
        """Return how much of each row is in each, where the columns are the rows."""
        return csr_array(self.others + diags_array(self.own, format="csr"))

    def among(self) -> csr_array:
        """Return the probabilities of the rows, of which each is itself."""
        one = eye_array(self.raw.shape[0], dtype=np.float32, format="csr")
        return csr_array(self.raw + one)

    @cached_property
    def scores(self) -> ScoreGraph:
        """The blended probabilities to look at around pairs."""
        return ScoreGraph(self.graph)

    def at(
        self, left: NDArray[np.intp], right: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """Return the blended probability of pairs; 0 where none is stored."""
        n_rows, n_columns = self.graph.shape
        row = np.repeat(np.arange(n_rows), np.diff(self.graph.indptr))
        places = np.append(row * n_columns + self.graph.indices, n_rows * n_columns)
        asked = left * n_columns + right
        found = np.searchsorted(places, asked)
        return np.where(
            places[found] == asked, np.append(self.graph.data, 0)[found], 0
        ).astype(np.float32)

    def between(
        self,
        probabilities: NDArray[np.float32],
        left: NDArray[np.intp],
        right: NDArray[np.intp],
    ) -> NDArray[np.float32]:
        """Blend probabilities of two rows each, which the catalogue does not hold."""
        a, b = self.own[left], self.own[right]
        reached = self.others
        if self.catalogue is not None:
            reached = csr_array(self.others @ self.catalogue.among())
        blended = (
            a * b * probabilities
            + a * inner_products(self.raw, self.others, left, right)
            + b * inner_products(self.others, self.raw, left, right)
            + inner_products(reached, self.others, left, right)
        )
        return blended.astype(np.float32)


def _keep(graph: csr_array, smallest: float) -> csr_array:
    """Return a copy without the smaller values."""
    kept = csr_array(graph, dtype=np.float32, copy=True)
    kept.data[kept.data < np.float32(smallest)] = 0
    kept.eliminate_zeros()
    return kept
