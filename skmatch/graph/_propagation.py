"""Probabilities of pairs, blended with those of the matches of both rows."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array, vstack

from skmatch.graph._neighbourhoods import ScoreGraph
from skmatch.graph._refine import limit_matches
from skmatch.search._neighbors import inner_products

_POWER = 4  # only sure matches have a say: 0.9 counts 0.66, and 0.5 counts 0.06
_FAINTEST = 0.25  # what is less probable would count less than 0.004
_N_ALIKE = 30  # no more matches of a row have a say
_SMALLEST = 0.01  # what is less probable is left out, unless it is a row's largest
_ROWS_PER_BLOCK = 2**10


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
        self.is_blended = is_blended
        self.raw = _drop_faint(graph, is_symmetric=catalogue is None)
        alike = limit_matches(self.raw, _N_ALIKE)
        alike.data = self._weigh(alike.data)
        alike.eliminate_zeros()
        total = 1 + np.asarray(alike.sum(axis=1), np.float32).ravel()
        self.own = (1 / total).astype(np.float32)
        own = diags_array(self.own, format="csr")
        self.others = csr_array(own @ alike)
        if catalogue is None:
            means = csr_array(own @ self.raw + self.others @ self._among + own)
            self.graph = _multiply(means, self._weights, without_diagonal=True)
            # Rounding may part the two sides of a pair, or drop one of them.
            self.graph = csr_array(self.graph.maximum(self.graph.T))
        else:
            means = csr_array(own @ self.raw + self._reached)
            self.graph = _multiply(means, catalogue._weights)
            self._let_columns_know(alike)
        self.graph.data = np.minimum(self.graph.data, 1)
        self.graph.sort_indices()

    @cached_property
    def scores(self) -> ScoreGraph:
        """The blended probabilities to look at around pairs."""
        return ScoreGraph(self.graph)

    def at(
        self, left: NDArray[np.intp], right: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """Return the blended probability of pairs; 0 where none is stored."""
        place, is_stored = self._find(left, right)
        found = np.zeros(len(left), np.float32)
        found[is_stored] = self.graph.data[place[is_stored]]
        return found

    def between(
        self,
        probabilities: NDArray[np.float32],
        left: NDArray[np.intp],
        right: NDArray[np.intp],
    ) -> NDArray[np.float32]:
        """Blend probabilities of two rows each, which the catalogue does not hold."""
        p = np.where(probabilities < _SMALLEST, 0, probabilities)
        a, b = self.own[left], self.own[right]
        apart = (
            a * b * p
            + a * inner_products(self.raw, self.others, left, right)
            + b * inner_products(self.others, self.raw, left, right)
            + inner_products(self._reached, self.others, left, right)
        )
        # Each side is also like the other one.
        weight = self._weigh(p)
        echo = self._echo[left] / a + self._echo[right] / b
        both = apart / (a * b) + weight * echo + weight**2 * p
        blended = both / ((1 / a + weight) * (1 / b + weight))
        return np.where(blended < _SMALLEST, 0, blended).astype(np.float32)

    @property
    def _weights(self) -> csr_array:
        """How much of each row is in each, where the columns are the rows."""
        return csr_array(self.others + diags_array(self.own, format="csr"))

    @property
    def _among(self) -> csr_array:
        """The probabilities of the rows among themselves, of which each is itself."""
        one = eye_array(self.raw.shape[0], dtype=np.float32, format="csr")
        return csr_array(self.raw + one)

    @cached_property
    def _reached(self) -> csr_array:
        """The probabilities that the catalogue's rows like each row have, summed."""
        assert self.catalogue is not None
        return csr_array(self.others @ self.catalogue._among)

    @cached_property
    def _echo(self) -> NDArray[np.float32]:
        """The mean probability that the rows like a row are that row."""
        matches = self.others.multiply(self.raw).sum(axis=1)
        return (self.own + np.asarray(matches).ravel()).astype(np.float32)

    def _weigh(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how much of a row its matches are, before it is scaled."""
        has_say = (probabilities >= np.float32(_FAINTEST)) & self.is_blended
        weights: NDArray[np.float32] = np.where(has_say, probabilities, 0) ** _POWER
        return weights.astype(np.float32)

    def _let_columns_know(self, alike: csr_array) -> None:
        """Let the columns that are like a row have it among the rows like them."""
        assert self.catalogue is not None
        row = np.repeat(np.arange(alike.shape[0]), np.diff(alike.indptr))
        place, is_stored = self._find(row, alike.indices)
        row, column = row[is_stored], alike.indices[is_stored]
        weight, place = alike.data[is_stored], place[is_stored]
        total = 1 / self.catalogue.own[column]
        known = self.graph.data[place] * total + weight * self._echo[row]
        self.graph.data[place] = known / (total + weight)

    def _find(
        self, left: NDArray[np.intp], right: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return where the blended probabilities of pairs are, and whether they are."""
        self.graph.sort_indices()
        n_rows, n_columns = self.graph.shape
        row = np.repeat(np.arange(n_rows), np.diff(self.graph.indptr))
        stored = np.append(row * n_columns + self.graph.indices, n_rows * n_columns)
        asked = left * n_columns + right
        place = np.searchsorted(stored, asked)
        return place, stored[place] == asked


def _multiply(
    means: csr_array, weights: csr_array, without_diagonal: bool = False
) -> csr_array:
    """Return the blended probabilities that are not faint, by blocks of rows."""
    columns, blocks = csr_array(weights.T), []
    for first in range(0, means.shape[0], _ROWS_PER_BLOCK):
        block = csr_array(means[first : first + _ROWS_PER_BLOCK] @ columns)
        if without_diagonal:
            row = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
            block.data[block.indices == row + first] = 0
        blocks.append(_drop_faint(block))
    return csr_array(vstack(blocks, format="csr"))


def _drop_faint(graph: csr_array, is_symmetric: bool = False) -> csr_array:
    """Return a copy without what is small and not the largest of its row."""
    kept = csr_array(graph, dtype=np.float32, copy=True)
    least = np.minimum(kept.max(axis=1).toarray().ravel(), np.float32(_SMALLEST))
    bound = np.repeat(least, np.diff(kept.indptr))
    if is_symmetric:
        bound = np.minimum(bound, least[kept.indices])
    kept.data[kept.data < bound] = 0
    kept.eliminate_zeros()
    return kept
