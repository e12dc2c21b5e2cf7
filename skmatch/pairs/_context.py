"""Candidate pairs of titles, found by embedders and described by named features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.graph._neighbourhoods import ScoreGraph, compare_neighbourhoods, mirror
from skmatch.graph._propagation import Blend
from skmatch.pairs._text_features import Counts, PairFeatures, count
from skmatch.pairs._word_weights import compare_hashed, hash_words
from skmatch.search._neighbors import find_nearest, inner_products, unit_rows

Titles = NDArray[np.object_]
_PAIRS_PER_BLOCK = 2**17


class Round(NamedTuple):
    """What a classifier says of pairs, and of the other candidates of both sides."""

    probabilities: NDArray[np.float32]  # (n_pairs,)
    blended: NDArray[np.float32]  # (n_pairs,)
    of_left: Blend
    of_right: Blend


class Pairs(NamedTuple):
    """Candidate pairs and their features before the first round.

    They are pairs of rows with one another, of rows with those of a catalogue, or of
    rows that are no candidates of one another. `known` is what each round says around
    the left and the right side, where this does not come from the pairs.
    """

    left: NDArray[np.intp]  # (n_pairs,)
    right: NDArray[np.intp]  # (n_pairs,)
    n_rows: int
    features: NDArray[np.float32]  # (n_pairs, n_features)
    rows: list[Any]  # (n_rows, embedding_dim) of each embedder
    graphs: list[ScoreGraph]  # similarities by each embedder
    words: tuple[csr_array, csr_array]  # hashed words of the rows of both sides
    is_blended: bool
    known: tuple[list[Blend], list[Blend]] = ([], [])

    def compare_words(self) -> Iterator[csr_array]:
        """Yield which words both titles have and which one alone, by blocks."""
        for first in range(0, max(1, len(self.left)), _PAIRS_PER_BLOCK):
            block = slice(first, first + _PAIRS_PER_BLOCK)
            of_left, of_right = self.words
            yield compare_hashed(of_left[self.left[block]], of_right[self.right[block]])

    def with_words(self, log_odds: NDArray[np.float32]) -> Self:
        """Return the pairs with the log-odds of a match by what their words tell."""
        return self._replace(features=np.column_stack([self.features, log_odds]))

    def judge(self, number: int, probabilities: NDArray[np.float32]) -> Round:
        """Return what a round, from 0, says with these probabilities."""
        ends, (known_left, known_right) = (self.left, self.right), self.known
        if known_left:
            own, others = known_left[number], known_right[number]
            blended = own.between(probabilities, *ends)
            return Round(probabilities, blended, own, others)
        if known_right:
            others = known_right[number]
            shape = (self.n_rows, others.raw.shape[0])
            graph = csr_array((probabilities, ends), shape=shape)
            own = Blend(graph, others, self.is_blended)
        else:
            graph = mirror(probabilities, *ends, self.n_rows)
            own = others = Blend(graph, None, self.is_blended)
        return Round(probabilities, own.at(*ends), own, others)

    def with_round(self, number: int, judged: Round) -> NDArray[np.float32]:
        """Return the features with those of a round, from 1."""
        known_left, known_right = self.known
        compared = compare_neighbourhoods(
            f"round{number}", judged.blended, self.left, self.right,
            judged.of_left.scores, judged.of_right.scores,
            in_left=not known_left, in_right=not known_right,
        )  # fmt: skip
        return np.column_stack([self.features, *compared.values()])

    def repeat(self, n_times: int) -> Self:
        """Return each pair many times."""
        return self._replace(
            left=np.repeat(self.left, n_times),
            right=np.repeat(self.right, n_times),
            features=np.repeat(self.features, n_times, axis=0),
        )


class Catalogue(NamedTuple):
    """Titles, as what other titles are matched with."""

    titles: Titles
    cells: Titles
    counts: Counts
    rows: list[Any]
    graphs: list[ScoreGraph]
    words: csr_array
    rounds: list[Blend]


class Describer(NamedTuple):
    """Fitted embedders that find candidates, and what describes these."""

    embedders: list[Any]
    pair_features: PairFeatures
    n_candidates: int
    is_blended: bool
    n_threads: int

    def scores(self) -> list[str]:
        """Name the similarities by the place and class of their embedders."""
        return [f"{type(e).__name__.lower()}{i}" for i, e in enumerate(self.embedders)]

    def embed(self, titles: Titles) -> list[Any]:
        """Return the unit rows of titles by each embedder."""
        return [unit_rows(embedder.transform(titles)) for embedder in self.embedders]

    def among(self, titles: Titles, cells: Titles) -> Pairs:
        """Find the candidates of titles among themselves."""
        rows, n_rows = self.embed(titles), len(titles)
        found = [np.empty(0, np.intp)]
        for own in rows:
            a, b = find_nearest(own, own, self.n_candidates + 1, self.n_threads)
            small, large = np.minimum(a, b), np.maximum(a, b)
            found.append((small * n_rows + large)[small != large])
        left, right = np.divmod(np.unique(np.concatenate(found)), n_rows)
        read = self.pair_features.read(titles, cells)
        described = [self._describe(read, left, right)]
        graphs = []
        for name, own in zip(self.scores(), rows, strict=True):
            scores = inner_products(own, own, left, right)
            graph = ScoreGraph(mirror(scores, left, right, n_rows))
            described += compare_neighbourhoods(
                name, scores, left, right, graph, graph
            ).values()
            graphs.append(graph)
        return Pairs(
            left, right, n_rows, np.column_stack(described), rows, graphs,
            (hash_words(titles),) * 2, self.is_blended,
        )  # fmt: skip

    def against(self, catalogue: Catalogue, titles: Titles, cells: Titles) -> Pairs:
        """Find the candidates of titles in a catalogue, for each title by itself."""
        rows, shape = self.embed(titles), (len(titles), len(catalogue.titles))
        found = [np.empty(0, np.intp)]
        for own, others in zip(rows, catalogue.rows, strict=True):
            a, b = find_nearest(own, others, self.n_candidates, self.n_threads)
            found.append(a * shape[1] + b)
        left, right = np.divmod(np.unique(np.concatenate(found)), shape[1])
        touched, place = np.unique(right, return_inverse=True)
        read = self.pair_features.read(
            np.concatenate([catalogue.titles[touched], titles]),
            np.concatenate([catalogue.cells[touched], cells]),
            catalogue.counts,
        )
        described = [self._describe(read, left + len(touched), place)]
        graphs = []
        for name, own, others, of_right in zip(
            self.scores(), rows, catalogue.rows, catalogue.graphs, strict=True
        ):
            scores = inner_products(own, others, left, right)
            graph = ScoreGraph(csr_array((scores, (left, right)), shape=shape))
            described += compare_neighbourhoods(
                name, scores, left, right, graph, of_right, in_right=False
            ).values()
            graphs.append(graph)
        return Pairs(
            left, right, shape[0], np.column_stack(described), rows, graphs,
            (hash_words(titles), catalogue.words), self.is_blended,
            known=([], catalogue.rounds),
        )  # fmt: skip

    def between(
        self, catalogue: Catalogue, pairs: Pairs, rounds: list[Blend], titles: Titles,
        cells: Titles,
    ) -> Pairs:  # fmt: skip
        """Make the pair of two titles, given what each is against a catalogue."""
        left, right = np.array([0]), np.array([1])
        read = self.pair_features.read(titles, cells, catalogue.counts)
        described = [self._describe(read, left, right)]
        for name, own, graph in zip(
            self.scores(), pairs.rows, pairs.graphs, strict=True
        ):
            scores = inner_products(own, own, left, right)
            described += compare_neighbourhoods(
                name, scores, left, right, graph, graph, in_left=False, in_right=False
            ).values()
        return pairs._replace(
            left=left, right=right, features=np.column_stack(described),
            words=(pairs.words[0],) * 2, known=(rounds, rounds),
        )  # fmt: skip

    def _describe(
        self, read: Any, left: NDArray[np.intp], right: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        return self.pair_features.transform(read, left, right, self.n_threads)

    def feature_names(self, n_rounds: int) -> list[str]:
        """Return the names of the features that the last of some rounds sees."""
        one, zero = np.ones(1, np.float32), np.zeros(1, np.intp)
        graph = ScoreGraph(csr_array((1, 1), dtype=np.float32))

        def compared(name: str) -> Iterable[str]:
            return compare_neighbourhoods(name, one, zero, zero, graph, graph)

        names = self.pair_features.get_feature_names_out()
        names += chain.from_iterable(map(compared, self.scores()))
        names += ["words_learned"]
        return names + ([*compared(f"round{n_rounds - 1}")] if n_rounds > 1 else [])


def make_catalogue(
    pairs: Pairs, rounds: list[Blend], titles: Titles, cells: Titles
) -> Catalogue:
    """Make a catalogue of titles of which the pairs among themselves are known."""
    return Catalogue(
        titles, cells, count(titles), pairs.rows, pairs.graphs, pairs.words[1], rounds
    )
