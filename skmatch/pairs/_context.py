"""What pairs of titles are scored in: a gallery, a catalogue, or a pair beside one.

The contexts answer the same questions: which pairs are candidates, what words are
around them, what scores are around a score, and what a stacking level says once its
probabilities are propagated. All else is the same for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse, vstack

from skmatch.graph import (
    LOWEST_KEPT,
    Neighbourhoods,
    Propagation,
    drop_low,
    find_entries,
    keep_rows,
    list_needed,
    propagate_rows,
    symmetrize,
)
from skmatch.pairs._graph_features import Around
from skmatch.pairs._parsed_titles import ParsedTitles, WordCounts
from skmatch.persistence import savable
from skmatch.search import nearest_neighbors

Scores = NDArray[np.float32]  # (n_pairs,)


@savable
class PairIndices(NamedTuple):
    """The pairs of a context, as indices of its left and right titles."""

    left: NDArray[np.intp]  # (n_pairs,)
    right: NDArray[np.intp]  # (n_pairs,)

    def at(self, rows: Any) -> PairIndices:
        """Return some of the pairs."""
        return PairIndices(self.left[rows], self.right[rows])

    def join(self, others: PairIndices) -> PairIndices:
        """Return these pairs and then others."""
        return PairIndices(*map(np.concatenate, zip(self, others, strict=True)))


@dataclass(frozen=True)
class EncodedTitles:
    """Titles, and what is computed of each by itself."""

    titles: NDArray[np.object_]  # (n_titles,)
    fields: NDArray[np.object_]  # the rows as they were given
    embeddings: list[Any]  # (n_titles, embedding_dim) unit rows of each embedder
    words: csr_array  # (n_titles, n_hashes), which words each has

    def __len__(self) -> int:
        """Return the number of titles."""
        return len(self.titles)

    def at(self, rows: slice | NDArray[np.intp]) -> EncodedTitles:
        """Return some of the titles."""
        embeddings = [X[rows] for X in self.embeddings]
        return EncodedTitles(
            self.titles[rows], self.fields[rows], embeddings, self.words[rows]
        )

    def join(self, others: EncodedTitles) -> EncodedTitles:
        """Return these titles and then others."""
        both = zip(self.embeddings, others.embeddings, strict=True)
        return EncodedTitles(
            np.concatenate([self.titles, others.titles]),
            np.concatenate([self.fields, others.fields]),
            [stack_rows(X, Y) for X, Y in both],
            stack_rows(self.words, others.words),
        )


def stack_rows(*parts: Any) -> Any:
    """Return rows one after the other, dense or sparse as they are."""
    if issparse(parts[0]):
        return csr_array(vstack(parts, format="csr"))
    return np.concatenate(parts)


def add_pairs(known: csr_array, scores: Scores, pairs: PairIndices) -> csr_array:
    """Return a symmetric graph with further pairs, and with other scores of pairs."""
    kept = csr_array((known.data.copy(), known.indices, known.indptr), known.shape)
    for rows, columns in (pairs, pairs[::-1]):
        position, is_stored = find_entries(kept, rows, columns)
        kept.data[position[is_stored]] = 0  # which the sum does not store
    graph = csr_array(kept + symmetrize(scores, *pairs, known.shape[0]))
    graph.sort_indices()
    return graph


class Level(NamedTuple):
    """What a stacking level says of pairs, and around their left and right rows."""

    probabilities: Scores
    propagated: Scores
    of_left: Propagation
    of_right: Propagation

    @property
    def is_possible(self) -> NDArray[np.bool_]:
        """Whether each pair is more than next to impossible, propagated or not."""
        return (self.propagated > 0) | (self.probabilities >= LOWEST_KEPT)


class Catalogue(NamedTuple):
    """Titles whose scores among themselves are known, to match others with."""

    encoded: EncodedTitles
    counts: WordCounts
    similarities: list[Neighbourhoods]  # by each embedder
    levels: list[Propagation]  # probabilities of each stacking level


class Context(Protocol):
    """Where pairs are scored."""

    # Whether the pairs are among the scores around their left and their right rows.
    holds_left: ClassVar[bool]
    holds_right: ClassVar[bool]
    shares_levels: ClassVar[bool]  # whether others see what is around its levels

    @property
    def left(self) -> EncodedTitles:
        """The titles of the left sides."""
        ...

    @property
    def right(self) -> EncodedTitles:
        """The titles of the right sides."""
        ...

    @property
    def beside(self) -> EncodedTitles:
        """The titles that the scores around the left ones are with."""
        ...

    def candidates(self, n_candidates: int, n_threads: int) -> PairIndices:
        """Return the pairs to score."""
        ...

    def is_given(self, pairs: PairIndices) -> NDArray[np.bool_]:
        """Tell which of the pairs to score someone has asked about."""
        ...

    def parse(
        self, counts_of_fit: WordCounts, pairs: PairIndices
    ) -> tuple[ParsedTitles, PairIndices]:
        """Return the titles of pairs, parsed, and the indices of the pairs in them."""
        ...

    def around(self, embedder: int, scores: Scores, pairs: PairIndices) -> Around:
        """Return the similarities by an embedder around pairs of these scores."""
        ...

    def propagate(
        self,
        level: int,
        probabilities: Scores,
        pairs: PairIndices,
        propagates: bool,
        seen: NDArray[np.intp] | None = None,
    ) -> Level:
        """Return what a stacking level, from 0, says with these probabilities.

        `seen` are the pairs that it has looked at; later ones will look at no others.
        """
        ...


@dataclass(frozen=True)
class GalleryContext:
    """Pairs of titles with one another."""

    left: EncodedTitles
    given: PairIndices | None = None  # pairs that are scored besides the nearest ones
    holds_left: ClassVar[bool] = True
    holds_right: ClassVar[bool] = True
    shares_levels: ClassVar[bool] = False

    @property
    def right(self) -> EncodedTitles:
        """The titles, too."""
        return self.left

    @property
    def beside(self) -> EncodedTitles:
        """The titles, too."""
        return self.left

    def candidates(self, n_candidates: int, n_threads: int) -> PairIndices:
        """Pair each title with its nearest ones; a pair comes once."""
        n_titles = len(self.left)
        keys = [np.empty(0, np.intp) if self.given is None else self._keys(self.given)]
        for X in self.left.embeddings:
            # Each is its own nearest.
            a, b = nearest_neighbors(X, X, n_candidates + 1, n_threads)
            keys.append(self._keys(PairIndices(a, b))[a != b])
        return PairIndices(*np.divmod(np.unique(np.concatenate(keys)), n_titles))

    def is_given(self, pairs: PairIndices) -> NDArray[np.bool_]:
        """Tell which pairs were given besides the nearest ones."""
        if self.given is None:
            return np.zeros(len(pairs.left), bool)
        return np.isin(self._keys(pairs), self._keys(self.given))

    def find(self, some: PairIndices, pairs: PairIndices) -> NDArray[np.intp]:
        """Return which of the pairs of :meth:`candidates` these ones are."""
        return np.searchsorted(self._keys(pairs), self._keys(some))

    def _keys(self, pairs: PairIndices) -> NDArray[np.intp]:
        """Return a number for each pair, whichever of the two comes first."""
        return np.minimum(*pairs) * len(self.left) + np.maximum(*pairs)

    def parse(
        self, counts_of_fit: WordCounts, pairs: PairIndices
    ) -> tuple[ParsedTitles, PairIndices]:
        """Parse all titles; they are the gallery whose words count."""
        return ParsedTitles(self.left.titles, self.left.fields, counts_of_fit), pairs

    def around(self, embedder: int, scores: Scores, pairs: PairIndices) -> Around:
        """Put the scores of the pairs around them."""
        near = Neighbourhoods(symmetrize(scores, *pairs, len(self.left)))
        return Around(near, near, self.holds_left, self.holds_right)

    def propagate(
        self,
        level: int,
        probabilities: Scores,
        pairs: PairIndices,
        propagates: bool,
        seen: NDArray[np.intp] | None = None,
    ) -> Level:
        """Propagate the probabilities over the matches of the titles."""
        graph = symmetrize(probabilities, *pairs, len(self.left))
        among = Propagation(graph, propagates=propagates)
        return Level(probabilities, among.at(*pairs), among, among)


@dataclass(frozen=True)
class GrowingContext(GalleryContext):
    """Pairs of some titles of a gallery, of which the scores of the others are known.

    These titles are the new ones, the last of all; others may be scored again.
    """

    n_known: int = 0
    scored: NDArray[np.intp] | None = None  # a row of each pair is one; None: the new
    counts: WordCounts | None = None  # of the whole gallery
    similarities: Sequence[csr_array] = ()  # of each embedder, without the new rows
    probabilities: Sequence[csr_array] = ()  # of each stacking level, likewise

    def candidates(self, n_candidates: int, n_threads: int) -> PairIndices:
        """Pair each new title with its nearest ones; a pair comes once."""
        keys = [np.empty(0, np.intp)]
        for X in self.left.embeddings:
            a, b = nearest_neighbors(X[self.n_known :], X, n_candidates + 1, n_threads)
            a = a + self.n_known
            keys.append(self._keys(PairIndices(a, b))[a != b])
        return PairIndices(*np.divmod(np.unique(np.concatenate(keys)), len(self.left)))

    def parse(
        self, counts_of_fit: WordCounts, pairs: PairIndices
    ) -> tuple[ParsedTitles, PairIndices]:
        """Parse the titles of the pairs; the words of the whole gallery count."""
        used = np.union1d(*pairs)
        titles = ParsedTitles(
            self.left.titles[used], self.left.fields[used], counts_of_fit, self.counts
        )
        return titles, PairIndices(*(np.searchsorted(used, side) for side in pairs))

    def around(self, embedder: int, scores: Scores, pairs: PairIndices) -> Around:
        """Put the scores around their titles, with those that are known."""
        known = keep_rows(self.similarities[embedder], np.union1d(*pairs))
        near = Neighbourhoods(add_pairs(known, scores, pairs))
        return Around(near, near, self.holds_left, self.holds_right)

    def propagate(
        self,
        level: int,
        probabilities: Scores,
        pairs: PairIndices,
        propagates: bool,
        seen: NDArray[np.intp] | None = None,
    ) -> Level:
        """Propagate the probabilities of the titles that are scored.

        And of those that they are compared with by a later level.
        """
        rows = np.arange(self.n_known, len(self.left))
        rows = rows if self.scored is None else self.scored
        known = self.probabilities[level]
        new = drop_low(symmetrize(probabilities, *pairs, len(self.left)), True)

        def propagate(rows: NDArray[np.intp]) -> Propagation:
            kept = keep_rows(known, list_needed([known, new], rows, propagates))
            return propagate_rows(
                add_pairs(kept, probabilities, pairs), rows, propagates
            )

        own = propagate(rows)
        is_left = np.isin(pairs.left, rows)
        others = np.where(is_left, pairs.right, pairs.left)
        propagated = own.at(np.where(is_left, pairs.left, pairs.right), others)
        said = Level(probabilities, propagated, own, own)
        if seen is None or not level:
            seen = np.flatnonzero(said.is_possible)
        near = np.setdiff1d(others[seen], rows)
        if not len(near):
            return said
        among = propagate(np.union1d(rows, near))
        return Level(probabilities, propagated, among, among)


@dataclass(frozen=True)
class CatalogueContext:
    """Pairs of titles, each by itself, with those of a catalogue."""

    left: EncodedTitles
    catalogue: Catalogue
    holds_left: ClassVar[bool] = True
    holds_right: ClassVar[bool] = False
    shares_levels: ClassVar[bool] = True

    @property
    def right(self) -> EncodedTitles:
        """The titles of the catalogue."""
        return self.catalogue.encoded

    @property
    def beside(self) -> EncodedTitles:
        """The titles of the catalogue."""
        return self.right

    def candidates(self, n_candidates: int, n_threads: int) -> PairIndices:
        """Pair each title with the nearest ones of the catalogue."""
        found = [np.empty(0, np.intp)]
        for X, others in zip(self.left.embeddings, self.right.embeddings, strict=True):
            a, b = nearest_neighbors(X, others, n_candidates, n_threads)
            found.append(a * len(self.right) + b)
        keys = np.unique(np.concatenate(found))
        return PairIndices(*np.divmod(keys, len(self.right)))

    def is_given(self, pairs: PairIndices) -> NDArray[np.bool_]:
        """Tell that no pair was given besides the nearest ones."""
        return np.zeros(len(pairs.left), bool)

    def parse(
        self, counts_of_fit: WordCounts, pairs: PairIndices
    ) -> tuple[ParsedTitles, PairIndices]:
        """Parse the titles and their candidates; the words of the catalogue count."""
        used, position = np.unique(pairs.right, return_inverse=True)
        titles = ParsedTitles(
            np.concatenate([self.right.titles[used], self.left.titles]),
            np.concatenate([self.right.fields[used], self.left.fields]),
            counts_of_fit,
            self.catalogue.counts,
        )
        return titles, PairIndices(pairs.left + len(used), position)

    def around(self, embedder: int, scores: Scores, pairs: PairIndices) -> Around:
        """Put the scores around the titles, and what is known around the catalogue."""
        near = Neighbourhoods(self._graph(scores, pairs))
        of_catalogue = self.catalogue.similarities[embedder]
        return Around(near, of_catalogue, self.holds_left, self.holds_right)

    def propagate(
        self,
        level: int,
        probabilities: Scores,
        pairs: PairIndices,
        propagates: bool,
        seen: NDArray[np.intp] | None = None,
    ) -> Level:
        """Propagate each title's probabilities over those of the catalogue."""
        among = self.catalogue.levels[level]
        against = Propagation(self._graph(probabilities, pairs), among, propagates)
        return Level(probabilities, against.at(*pairs), against, among)

    def _graph(self, scores: Scores, pairs: PairIndices) -> csr_array:
        """Return the scores of pairs, (n_titles, n_catalogue)."""
        shape = len(self.left), len(self.right)
        graph = csr_array((scores, tuple(pairs)), shape=shape)
        graph.sort_indices()
        return graph


@dataclass(frozen=True)
class PairContext:
    """Two titles, by what each of them is against a catalogue."""

    left: EncodedTitles
    beside: EncodedTitles  # the catalogue
    counts: WordCounts  # of the catalogue
    similarities: list[Neighbourhoods]  # of the two titles to the catalogue
    levels: list[Propagation]  # probabilities of the two titles against the catalogue
    holds_left: ClassVar[bool] = False
    holds_right: ClassVar[bool] = False
    shares_levels: ClassVar[bool] = True

    @property
    def right(self) -> EncodedTitles:
        """The two titles, too."""
        return self.left

    def candidates(self, n_candidates: int, n_threads: int) -> PairIndices:
        """Return the one pair."""
        return PairIndices(np.array([0]), np.array([1]))

    def is_given(self, pairs: PairIndices) -> NDArray[np.bool_]:
        """Tell that this is the pair in question."""
        return np.ones(len(pairs.left), bool)

    def parse(
        self, counts_of_fit: WordCounts, pairs: PairIndices
    ) -> tuple[ParsedTitles, PairIndices]:
        """Parse the two titles; the words of the catalogue count."""
        titles = ParsedTitles(
            self.left.titles, self.left.fields, counts_of_fit, self.counts
        )
        return titles, pairs

    def around(self, embedder: int, scores: Scores, pairs: PairIndices) -> Around:
        """Return what is known of both titles."""
        near = self.similarities[embedder]
        return Around(near, near, self.holds_left, self.holds_right)

    def propagate(
        self,
        level: int,
        probabilities: Scores,
        pairs: PairIndices,
        propagates: bool,
        seen: NDArray[np.intp] | None = None,
    ) -> Level:
        """Propagate the probability over what both titles match in the catalogue."""
        against = self.levels[level]
        propagated = against.between(probabilities, *pairs)
        return Level(probabilities, propagated, against, against)
