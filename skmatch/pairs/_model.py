"""The fitted pair model: from titles to the match probabilities of their pairs.

1. Encode the titles by each embedder, and their words by hashing.
2. Describe the candidate pairs of a context by features of their texts and by what
   each similarity is among those of the other candidates.
3. Score them level by level: a classifier gives probabilities, which are propagated
   over the match graph; the next level sees what they are among the others. A pair that
   is next to impossible after the first level is not looked at again.
4. A decider has the last word of some pairs: a cross-encoder is asked about those that
   are uncertain, and known products about those that were given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from scipy.special import expit

from skmatch._progress import track
from skmatch.graph import Neighbourhoods
from skmatch.pairs._context import (
    Catalogue,
    CatalogueContext,
    Context,
    EncodedTitles,
    GalleryContext,
    Level,
    PairIndices,
)
from skmatch.pairs._decider import Decider
from skmatch.pairs._features import Part, Rows, list_blocks, read, store
from skmatch.pairs._graph_features import (
    Around,
    compare_neighbourhoods,
    graph_feature_names,
)
from skmatch.pairs._parsed_titles import count_words
from skmatch.pairs._probabilities import log_odds, match_probability
from skmatch.pairs._text_features import TextFeatures
from skmatch.pairs._word_weights import compare_hashed, hash_words
from skmatch.persistence import savable
from skmatch.search import inner_products, unit_rows

Titles = NDArray[np.object_]
_TITLES_PER_BLOCK = 2**12


class DescribedPairs(NamedTuple):
    """Candidate pairs in their context, and what describes them."""

    context: Context
    indices: PairIndices
    of_texts: Part  # (n_pairs, n_features)
    of_scores: Sequence[ScoreFeatures]  # by each embedder

    @property
    def features(self) -> Sequence[Part]:
        """What is known before the first level."""
        return [self.of_texts, *self.of_scores]

    @property
    def similarities(self) -> list[Neighbourhoods]:
        """The similarities by each embedder around the left rows."""
        return [scores.around.left for scores in self.of_scores]

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return len(self.indices.left)

    def list_possible(self, said: Sequence[Level]) -> NDArray[np.intp]:
        """Return the pairs to look at further: all, before the first level has spoken.

        Later, those that are possible by what it says, and those that were given.
        """
        if not said:
            return np.arange(self.n_pairs)
        is_given = self.context.is_given(self.indices)
        return np.flatnonzero(said[0].is_possible | is_given)

    def compare_words(self, rows: NDArray[np.intp]) -> Iterator[csr_array]:
        """Yield which words both titles have and which one alone, by blocks."""
        of_left, of_right = self.context.left.words, self.context.right.words
        for block in list_blocks(len(rows)):
            a, b = self.indices.at(rows[block])
            yield compare_hashed(of_left[a], of_right[b])

    def add_level(self, parts: Sequence[Part], level: Level) -> Sequence[Part]:
        """Append to features what a level says, among what it says around the pairs."""
        return [*parts, LevelFeatures(level, self.indices, self.context)]

    def repeat(self, n_times: int) -> DescribedPairs:
        """Return each pair many times."""
        features = read(self.features, slice(0, self.n_pairs))
        return self._replace(
            indices=PairIndices(*(np.repeat(side, n_times) for side in self.indices)),
            of_texts=np.repeat(features, n_times, axis=0),
            of_scores=[],
        )


@dataclass(frozen=True)
class ScoreFeatures:
    """A score of each pair among those around it, compared when it is read."""

    scores: NDArray[np.float32]  # (n_pairs,)
    indices: PairIndices
    around: Around

    def __getitem__(self, rows: Rows) -> NDArray[np.float32]:
        """Return the features of some pairs: (n_rows, n_features)."""
        return np.column_stack(
            compare_neighbourhoods(
                self.scores[rows], *self.indices.at(rows), self.around
            )
        )


@dataclass(frozen=True)
class LevelFeatures:
    """What a level says of each pair, among what it says around it."""

    level: Level
    indices: PairIndices
    context: Context

    def __getitem__(self, rows: Rows) -> NDArray[np.float32]:
        """Return the features of some pairs: (n_rows, n_features)."""
        around = Around(
            self.level.of_left.neighbourhoods,
            self.level.of_right.neighbourhoods,
            self.context.holds_left,
            self.context.holds_right,
        )
        return ScoreFeatures(self.level.propagated, self.indices, around)[rows]


def encode_words(
    titles: Titles, fields: Titles, embeddings: list[Any]
) -> EncodedTitles:
    """Compute what is known of titles besides their embeddings."""
    return EncodedTitles(titles, fields, embeddings, hash_words(titles))


@savable
class PairDescriber(NamedTuple):
    """Fitted embedders and counts of words: what finds and describes candidates."""

    embedders: list[Any]
    text_features: TextFeatures
    n_candidates: int

    def encode(self, titles: Titles, fields: Titles) -> EncodedTitles:
        """Compute what is known of each title by itself."""
        return encode_words(titles, fields, self.embed(titles))

    def embed(self, titles: Titles) -> list[Any]:
        """Return the unit rows of titles, by each embedder."""
        return [unit_rows(embedder.transform(titles)) for embedder in self.embedders]

    def describe(self, context: Context, n_threads: int) -> DescribedPairs:
        """Find the candidate pairs of a context, and describe them."""
        pairs = context.candidates(self.n_candidates, n_threads)
        return self.describe_pairs(context, pairs, n_threads)

    def describe_pairs(
        self, context: Context, pairs: PairIndices, n_threads: int
    ) -> DescribedPairs:
        """Describe the pairs of a context, which are all its candidates."""
        of_texts = self.describe_texts(context, pairs, n_threads)
        return self.place(context, pairs, of_texts)

    def describe_texts(
        self, context: Context, pairs: PairIndices, n_threads: int
    ) -> Part:
        """Return the features of the texts of pairs."""
        titles, of_titles = context.parse(self.text_features.counts, pairs)

        def describe(rows: slice) -> NDArray[np.float32]:
            return self.text_features.transform(titles, *of_titles.at(rows), n_threads)

        n_pairs = len(pairs.left)
        blocks = track(list_blocks(n_pairs), "Pairs described")
        return store(map(describe, blocks), n_pairs)

    def place(
        self, context: Context, pairs: PairIndices, of_texts: Part
    ) -> DescribedPairs:
        """Put the similarities of pairs among those around them in a context."""
        of_scores = []
        sides = zip(context.left.embeddings, context.right.embeddings, strict=True)
        for number, (X, others) in enumerate(sides):
            scores = inner_products(X, others, *pairs)
            around = context.around(number, scores, pairs)
            of_scores.append(ScoreFeatures(scores, pairs, around))
        return DescribedPairs(context, pairs, of_texts, of_scores)

    def feature_names(self) -> list[str]:
        """Return the names of the features before the first level."""
        names = self.text_features.names
        for index, embedder in enumerate(self.embedders):
            names += graph_feature_names(f"{type(embedder).__name__.lower()}{index}")
        return names


class Said(NamedTuple):
    """What a level says of all pairs, before propagation, and which it looked at."""

    probabilities: NDArray[np.float32]  # (n_pairs,)
    seen: NDArray[np.intp]


class Replaced(NamedTuple):
    """Other values for some features of each pair, as in an explanation."""

    which: NDArray[np.bool_]  # (n_pairs, n_features)
    values: NDArray[np.float32]  # (n_pairs, n_features)

    def apply(self, features: NDArray[np.float32], rows: Rows) -> NDArray[np.float32]:
        """Return the features of some pairs with these values, where they have them."""
        n_features = min(features.shape[1], self.which.shape[1])
        which, values = (part[rows][:, :n_features] for part in self)
        known = features[:, :n_features]
        known[which] = values[which]
        return features

    def up_to(self, n_features: int) -> Replaced:
        """Return the same for the first features alone."""
        which = self.which.copy()
        which[:, n_features:] = False
        return self._replace(which=which)


@savable
class StackedLevels(NamedTuple):
    """The classifiers of the stacking levels, and which features each of them sees."""

    classifiers: list[Any]
    columns: list[NDArray[np.intp]] | None = None  # of each level; None: all
    decider: Decider | None = None  # has the last word of some pairs

    @property
    def n_levels(self) -> int:
        """Number of levels, with the decider as the last one."""
        return len(self.classifiers) + (self.decider is not None)

    @property
    def first(self) -> StackedLevels:
        """The first level alone."""
        return self._replace(classifiers=self.classifiers[:1], decider=None)

    def score(
        self,
        pairs: DescribedPairs,
        described: Sequence[Part],
        propagates: bool,
        replaced: Replaced | None = None,
        before: Sequence[Level] = (),
    ) -> tuple[list[Level], Sequence[Part]]:
        """Return what each level says, and the features that the last one sees.

        It follows the levels `before`.
        """
        levels, features = [*before], described
        for number in range(self.n_levels):
            said, features = self.say(number, pairs, described, levels, replaced)
            if levels and not pairs.context.shares_levels:  # seen for the last time
                levels[-1].of_left.forget()
            levels.append(
                pairs.context.propagate(
                    len(levels),
                    said.probabilities,
                    pairs.indices,
                    propagates,
                    said.seen,
                )
            )
        return levels[len(before) :], features

    def say(
        self,
        number: int,
        pairs: DescribedPairs,
        described: Sequence[Part],
        levels: Sequence[Level],
        replaced: Replaced | None = None,
    ) -> tuple[Said, Sequence[Part]]:
        """Return what a level says after all that came before it, and what it sees.

        `number` counts from 0. A pair that it does not look at has the probability that
        the level before gave it.
        """
        n_seen = min(number, len(self.classifiers) - 1)  # by the last classifier
        features = described
        if n_seen:
            features = pairs.add_level(described, levels[n_seen - number - 1])

        def see(rows: NDArray[np.intp]) -> NDArray[np.float32]:
            seen = read(features, rows)
            return seen if replaced is None else replaced.apply(seen, rows)

        if number == len(self.classifiers):
            assert self.decider is not None
            rows = self.decider.find(pairs, levels[-1])
            evidence = self.decider.gather(pairs, levels[-1], rows)
            features = [*features, evidence]
            if replaced is not None:
                evidence[rows] = see(rows)[:, -evidence.shape[1] :]
            decided = self.decider.decide(levels[-1], rows, evidence)
            return Said(decided, rows), features
        columns = slice(None) if self.columns is None else self.columns[number]
        possible = pairs.list_possible(levels)
        probabilities = start_probabilities(pairs, levels)
        blocks = track(list_blocks(len(possible)), f"Pairs scored, level {number + 1}")
        for block in blocks:
            rows = possible[block]
            probabilities[rows] = match_probability(
                self.classifiers[number], see(rows)[:, columns]
            )
        return Said(probabilities, possible), features


@savable
class PairModel(NamedTuple):
    """All that a fit has learned of pairs; nothing in it changes.

    Without labels there is the transferred part alone; with product ids of few titles
    there is none.
    """

    describer: PairDescriber
    transferred: StackedLevels | None  # learned from the pairs of made-up titles
    word_weights: Any  # classifier of the words that both titles or one alone have
    levels: StackedLevels | None  # learned from labels
    propagates: bool
    background: NDArray[np.float32]  # features of labelled pairs, for explanations
    trust: float = 1.0  # in what labels taught; the rest is in what is transferred

    @property
    def n_levels(self) -> int:
        """Number of levels of both parts; what mixes them is one more."""
        parts = (self.transferred, self.levels)
        n_levels = sum(part.n_levels for part in parts if part is not None)
        return n_levels + (self.levels is not None and self.trust != 1)

    @property
    def last_levels(self) -> StackedLevels:
        """The levels that decide."""
        last = self.transferred if self.levels is None else self.levels
        assert last is not None  # one of them is there
        return last

    @property
    def first(self) -> PairModel:
        """The first level alone."""
        if self.transferred is not None:
            return self._replace(transferred=self.transferred.first, levels=None)
        return self._replace(levels=self.last_levels.first, trust=1.0)

    def score(
        self, pairs: DescribedPairs, replaced: Replaced | None = None
    ) -> tuple[list[Level], Sequence[Part]]:
        """Return what each level says, and the features that the last one sees.

        The levels of the transferred part come first; both parts, mixed, come last.
        """
        levels: list[Level] = []
        if self.transferred is not None:
            own = replaced
            if replaced is not None and self.levels is not None:
                own = replaced.up_to(len(self.describer.feature_names()))
            levels, features = self.transferred.score(
                pairs, pairs.features, self.propagates, own
            )
            if self.levels is None:
                return levels, features
        described = self._describe_labelled(pairs, levels)
        further, features = self.last_levels.score(
            pairs, described, self.propagates, replaced, levels
        )
        levels = [*levels, *further]
        if self.trust != 1:
            said = self._mix(pairs, levels)
            levels.append(
                pairs.context.propagate(
                    len(levels),
                    said.probabilities,
                    pairs.indices,
                    self.propagates,
                    said.seen,
                )
            )
        return levels, features

    def say(self, pairs: DescribedPairs, levels: Sequence[Level]) -> Said:
        """Return what the next level says, after those that have spoken."""
        number = len(levels)
        first = 0 if self.transferred is None else self.transferred.n_levels
        if self.transferred is not None and number < first:
            return self.transferred.say(number, pairs, pairs.features, levels)[0]
        if number - first == self.last_levels.n_levels:
            return self._mix(pairs, levels)
        described = self._describe_labelled(pairs, levels[:first])
        return self.last_levels.say(number - first, pairs, described, levels)[0]

    def _describe_labelled(
        self, pairs: DescribedPairs, transferred: Sequence[Level]
    ) -> Sequence[Part]:
        """Return the features of the levels that learned from labels, but graphs."""
        odds = [log_odds(level.propagated)[:, None] for level in transferred[-1:]]
        words = weigh_words(self.word_weights, pairs, pairs.list_possible(transferred))
        return [*pairs.features, *odds, words[:, None]]

    def _mix(self, pairs: DescribedPairs, levels: Sequence[Level]) -> Said:
        """Return the mean log-odds of both parts, weighted by trust."""
        assert self.transferred is not None
        both = (levels[-1], levels[self.transferred.n_levels - 1])
        own, others = (log_odds(level.probabilities) for level in both)
        p = expit(self.trust * own + (1 - self.trust) * others)
        return Said(p, pairs.list_possible(levels))

    def score_graph(self, titles: Titles, fields: Titles, n_threads: int) -> csr_array:
        """Return the match probabilities of the pairs of a gallery: (n, n)."""
        pairs = self._describe_gallery(titles, fields, n_threads)
        # Nothing looks at the embeddings again: they go, as much as a sixth of memory.
        rest = replace(pairs.context.left, embeddings=[])
        pairs = pairs._replace(context=GalleryContext(rest))
        return self.score(pairs)[0][-1].of_left.graph

    def score_against(
        self, catalogue: Catalogue, titles: Titles, fields: Titles, n_threads: int
    ) -> csr_array:
        """Return the match probabilities of titles and those of a catalogue.

        Each title is scored by itself, so they are described and scored by blocks.
        """
        describer = self.describer
        encoded = describer.encode(titles, fields)
        left, right = CatalogueContext(encoded, catalogue).candidates(
            describer.n_candidates, n_threads
        )  # by their left titles, in order
        graphs = []
        starts = range(0, max(1, len(titles)), _TITLES_PER_BLOCK)
        for start in track(starts, "Titles matched"):
            stop = start + _TITLES_PER_BLOCK
            context = CatalogueContext(encoded.at(slice(start, stop)), catalogue)
            own = slice(*np.searchsorted(left, [start, stop]))
            pairs = PairIndices(left[own] - start, right[own])
            described = describer.describe_pairs(context, pairs, n_threads)
            levels, _ = self.score(described)
            graphs.append(levels[-1].of_left.graph)
        return csr_array(vstack(graphs, format="csr"))

    def make_catalogue(
        self, titles: Titles, fields: Titles, n_threads: int
    ) -> Catalogue:
        """Score the pairs of titles among themselves, to match others with them."""
        pairs = self._describe_gallery(titles, fields, n_threads)
        levels, _ = self.score(pairs)
        return Catalogue(
            pairs.context.left,
            count_words(titles),
            pairs.similarities,
            [level.of_left for level in levels],
        )

    def unused(self, cross_encoder: Any) -> list[str]:
        """Tell, to warn of, that a cross-encoder was asked for and is not there."""
        decider = self.last_levels.decider
        is_used = decider is not None and decider.cross_encoder is not None
        if cross_encoder is None or is_used:
            return []
        return [
            "cross_encoder is not used: the training pairs of which the levels are not "
            "sure are too few to learn from, or have all the same answer."
        ]

    def feature_names(self) -> list[str]:
        """Return the names of the features that the last level sees."""
        names = self.describer.feature_names()
        if self.levels is not None:
            names += ["transferred"] * (self.transferred is not None)
            names += ["words_learned"]
        n_levels = len(self.last_levels.classifiers)
        if n_levels > 1:
            names += graph_feature_names(f"level{n_levels - 1}")
        if self.last_levels.decider is not None:
            names += self.last_levels.decider.names
        return names

    def _describe_gallery(
        self, titles: Titles, fields: Titles, n_threads: int
    ) -> DescribedPairs:
        encoded = self.describer.encode(titles, fields)
        return self.describer.describe(GalleryContext(encoded), n_threads)


def start_probabilities(
    pairs: DescribedPairs, said: Sequence[Level]
) -> NDArray[np.float32]:
    """Return what the last level has said, to be replaced where the next one looks."""
    if not said:
        return np.zeros(pairs.n_pairs, np.float32)
    return said[-1].probabilities.copy()


def weigh_words(
    classifier: Any, pairs: DescribedPairs, rows: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the log-odds of a match that the words of some pairs have, 0 of others."""
    weights = np.zeros(pairs.n_pairs, np.float32)
    blocks = pairs.compare_words(rows)
    said = [match_probability(classifier, block) for block in blocks]
    weights[rows] = log_odds(np.concatenate(said))
    return weights
