"""Probabilities of pairs, averaged over the match graph: W (P + I) Wᵀ.

P are the probabilities of the pairs, and row i of W tells how much of each row is in
the average for row i:

1. Weigh: W[i, i] = 1 and W[i, j] = P[i, j]⁴ for the matches j of i (probability at
   least 0.25, at most 30 of them). Each row of W is scaled to a sum of 1.
2. Average: the propagated probability of (i, j) is the weighted mean of the probability
   of (k, l) over all k like i and all l like j; a row is itself with probability 1.
3. Drop what is below 0.01, unless it is the highest of its row.

If matches are transitive, as those of the same product are, all these pairs ask the
same question, and the errors of their answers cancel out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array, vstack

from skmatch.graph._csr import (
    find_entries,
    keep_entries,
    keep_rows,
    place_rows,
    row_indices,
)
from skmatch.graph._decide import keep_matches
from skmatch.graph._neighbourhoods import Neighbourhoods
from skmatch.search import inner_products

POWER = 4  # only sure matches have a say: 0.9 counts 0.66, and 0.5 counts 0.06
LOWEST_WEIGHED = 0.25  # what is less probable would count less than 0.004
N_WEIGHED = 30  # no more matches of a row have a say
LOWEST_KEPT = 0.01  # what is less probable is dropped, unless it is a row's highest
_ROWS_PER_BLOCK = 2**10


class Propagation:
    """Probabilities of rows against a catalogue, or among one another, propagated.

    Against a catalogue, each row i is averaged by itself, whatever the other rows are.
    Row i of W weighs i itself and its matches in the catalogue. Row j of the W of the
    catalogue gains the weight P[i, j]⁴ for i, and is scaled again.

    Parameters
    ----------
    graph : csr_array of shape (n_rows, n_columns)
        Probabilities. Without a catalogue they are symmetric, without a diagonal.
    catalogue : Propagation or None
        Probabilities of the columns among one another; None if these are the rows.
    propagates : bool
        Whether a row is like any other. If not, the probabilities stay what they are.
    rows : ndarray of intp or None
        The rows to propagate, without a catalogue; the others stay empty. None is all.
    """

    def __init__(
        self,
        graph: csr_array,
        catalogue: Propagation | None = None,
        propagates: bool = True,
        n_weighed: int = N_WEIGHED,
        rows_per_block: int = _ROWS_PER_BLOCK,
        rows: NDArray[np.intp] | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.propagates = propagates
        self._rows, self._rows_per_block = rows, rows_per_block
        graph = csr_array(graph, dtype=np.float32)
        self.probabilities = drop_low(graph, is_symmetric=catalogue is None)
        weighed = keep_matches(
            self.probabilities,
            LOWEST_WEIGHED if propagates else np.inf,
            max_matches=n_weighed,
        )
        weights = csr_array(
            (self._weigh(weighed.data), weighed.indices, weighed.indptr), weighed.shape
        )
        total = 1 + np.asarray(weights.sum(axis=1), np.float32).ravel()
        # W is diag(self_weights) + match_weights.
        self.self_weights = (1 / total).astype(np.float32)
        scale = diags_array(self.self_weights, format="csr")
        self.match_weights = csr_array(scale @ weights)
        self._unscaled_weights = weights

    @cached_property
    def graph(self) -> csr_array:
        """The propagated probabilities of each row, computed when they are needed."""
        graph = self._average_among() if self.catalogue is None else self._average()
        graph.data = np.minimum(graph.data, 1)
        graph.sort_indices()
        return graph

    def _average(self) -> csr_array:
        """Propagate the probabilities of the rows against a catalogue."""
        assert self.catalogue is not None
        direct, reached = self.probabilities, self._reached
        graph = self._multiply(
            lambda rows: self._scale(direct, rows) + reached[rows],
            self.catalogue._weights,
            np.arange(direct.shape[0]),
        )
        graph.sort_indices()
        self._add_row_to_columns(graph)
        return graph

    def _average_among(self) -> csr_array:
        """Propagate the probabilities of the rows among one another."""
        itself, matches, rows = self._with_itself, self.match_weights, self._rows
        graph = self._multiply(
            lambda rows: self._scale(itself, rows) + matches[rows] @ itself,
            self._weights,
            np.arange(itself.shape[0]) if rows is None else np.unique(rows),
        )
        # Rounding may part the two sides of a pair, or drop one of them.
        mirrored = csr_array(graph.T)
        if rows is not None:
            mirrored = keep_rows(mirrored, rows)
        return csr_array(graph.maximum(mirrored))

    def _scale(self, graph: csr_array, rows: NDArray[np.intp]) -> csr_array:
        """Return some rows, each times what it weighs itself."""
        return csr_array(diags_array(self.self_weights[rows]) @ graph[rows])

    def _multiply(
        self,
        mean: Callable[[NDArray[np.intp]], csr_array],
        weights: csr_array,
        rows: NDArray[np.intp],
    ) -> csr_array:
        """Return ``mean(rows) weightsᵀ`` without what is low, by blocks of rows."""
        columns, is_among, blocks = csr_array(weights.T), self.catalogue is None, []
        for start in range(0, max(1, len(rows)), self._rows_per_block):
            some = rows[start : start + self._rows_per_block]
            block = csr_array(mean(some) @ columns)
            if is_among:  # a row is no match of itself
                block = keep_entries(block, some[row_indices(block)] != block.indices)
            blocks.append(drop_low(block))
        graph = csr_array(vstack(blocks, format="csr"))
        return place_rows(graph, rows, self.probabilities.shape[0])

    @cached_property
    def neighbourhoods(self) -> Neighbourhoods:
        """The propagated probabilities of each row, to compare pairs with them."""
        return Neighbourhoods(self.graph)

    def forget(self) -> None:
        """Drop what is computed when it is needed; it can be computed again."""
        for name in ("graph", "neighbourhoods"):
            self.__dict__.pop(name, None)

    def at(
        self, left: NDArray[np.intp], right: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """Return the propagated probability of pairs; 0 where none is stored."""
        position, is_stored = find_entries(self.graph, left, right)
        probabilities = np.zeros(len(left), np.float32)
        probabilities[is_stored] = self.graph.data[position[is_stored]]
        return probabilities

    def between(
        self,
        probabilities: NDArray[np.float32],
        left: NDArray[np.intp],
        right: NDArray[np.intp],
    ) -> NDArray[np.float32]:
        """Propagate probabilities of two rows each, which the catalogue does not hold.

        ``w_a (P + I) w_bᵀ``, where ``w_a`` weighs row a, its matches in the catalogue
        and, by P[a, b]⁴, row b; ``w_b`` likewise. `apart` is the sum without that last
        weight, and `echo` what the last weight of either side adds.
        """
        p = np.where(probabilities < LOWEST_KEPT, 0, probabilities)
        a, b = self.self_weights[left], self.self_weights[right]
        direct, matches = self.probabilities, self.match_weights
        apart = (
            a * b * p
            + a * inner_products(direct, matches, left, right)
            + b * inner_products(matches, direct, left, right)
            + inner_products(self._reached, matches, left, right)
        )
        weight = self._weigh(p)
        echo = self._echo[left] / a + self._echo[right] / b
        both = apart / (a * b) + weight * echo + weight**2 * p
        propagated = both / ((1 / a + weight) * (1 / b + weight))
        return np.where(propagated < LOWEST_KEPT, 0, propagated).astype(np.float32)

    @property
    def _weights(self) -> csr_array:
        """W, where the columns are the rows."""
        return csr_array(
            self.match_weights + diags_array(self.self_weights, format="csr")
        )

    @property
    def _with_itself(self) -> csr_array:
        """P + I, where the columns are the rows."""
        one = eye_array(self.probabilities.shape[0], dtype=np.float32, format="csr")
        return csr_array(self.probabilities + one)

    @cached_property
    def _reached(self) -> csr_array:
        """The weighted probabilities of the catalogue's rows that are like each row."""
        assert self.catalogue is not None
        return csr_array(self.match_weights @ self.catalogue._with_itself)

    @cached_property
    def _echo(self) -> NDArray[np.float32]:
        """The mean probability that what is like a row is that row, (n_rows,)."""
        matches = self.match_weights.multiply(self.probabilities).sum(axis=1)
        return (self.self_weights + np.asarray(matches).ravel()).astype(np.float32)

    def _weigh(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weight of a match, before W is scaled."""
        has_say = (probabilities >= np.float32(LOWEST_WEIGHED)) & self.propagates
        weights: NDArray[np.float32] = np.where(has_say, probabilities, 0) ** POWER
        return weights.astype(np.float32)

    def _add_row_to_columns(self, graph: csr_array) -> None:
        """Let the columns that match a row have it among what is like them."""
        assert self.catalogue is not None
        weights = self._unscaled_weights
        row = row_indices(weights)
        position, is_stored = find_entries(graph, row, weights.indices)
        row, column = row[is_stored], weights.indices[is_stored]
        weight, position = weights.data[is_stored], position[is_stored]
        total = 1 / self.catalogue.self_weights[column]
        known = graph.data[position] * total + weight * self._echo[row]
        graph.data[position] = known / (total + weight)


class KnownPropagation(Propagation):
    """What was propagated somewhere else, of some rows: (n_rows, n_columns)."""

    def __init__(self, graph: csr_array) -> None:
        self.graph = graph


def propagate_rows(
    graph: csr_array, rows: NDArray[np.intp], propagates: bool = True
) -> Propagation:
    """Propagate some rows of a symmetric graph, as all of them would be.

    Of the others, only those of :func:`list_needed` play a part.
    """
    needed = list_needed([graph], rows, propagates)
    graph = drop_low(keep_rows(graph, needed), is_symmetric=True)
    return Propagation(graph, propagates=propagates, rows=rows)


def list_needed(
    graphs: Sequence[csr_array], rows: NDArray[np.intp], propagates: bool = True
) -> NDArray[np.intp]:
    """Return some rows and all that can reach them by propagation.

    That are their matches, the columns of these, and the matches of those, in any of
    some graphs.
    """
    is_needed = np.zeros(graphs[0].shape[0], bool)
    is_needed[rows] = True
    for least in (LOWEST_WEIGHED, 0.0, LOWEST_WEIGHED) if propagates else ():
        needed = np.flatnonzero(is_needed)
        for graph in graphs:
            near = graph[needed]
            is_needed[near.indices[near.data >= np.float32(least)]] = True
    return np.flatnonzero(is_needed)


def drop_low(graph: csr_array, is_symmetric: bool = False) -> csr_array:
    """Return a graph without what is below 0.01 and not the highest of its row.

    In a symmetric graph what is the highest of either row stays, on both sides.
    """
    highest = graph.max(axis=1).toarray().ravel()
    least = np.minimum(highest, np.float32(LOWEST_KEPT))
    bound = least[row_indices(graph)]
    if is_symmetric:
        bound = np.minimum(bound, least[graph.indices])
    return keep_entries(graph, (graph.data >= bound) & (graph.data != 0))
