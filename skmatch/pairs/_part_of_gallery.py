"""A part of a gallery: some of its pairs, and all that they need of the rest.

A pair is scored by its two rows, by how many titles of the gallery have their words,
and by the scores around each of them. Where a part has these, it says of its pairs what
the whole gallery would, level by level; what is around them changes in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.graph import Neighbourhoods
from skmatch.pairs._context import (
    EncodedTitles,
    GalleryContext,
    Level,
    PairIndices,
    Scores,
)
from skmatch.pairs._features import Part
from skmatch.pairs._graph_features import Around
from skmatch.pairs._model import DescribedPairs, PairModel, ScoreFeatures, encode_words
from skmatch.pairs._parsed_titles import ParsedTitles, WordCounts


@dataclass(frozen=True)
class PartContext(GalleryContext):
    """Pairs of titles of a gallery that is not here as a whole."""

    counts: WordCounts | None = None  # of the gallery, of the words of these titles
    shares_levels: ClassVar[bool] = True

    def parse(
        self, counts_of_fit: WordCounts, pairs: PairIndices
    ) -> tuple[ParsedTitles, PairIndices]:
        """Parse the titles; the words of the whole gallery count."""
        of_left = self.left.titles, self.left.fields
        return ParsedTitles(*of_left, counts_of_fit, self.counts), pairs


def describe_part(
    model: PairModel,
    titles: NDArray[np.object_],
    fields: NDArray[np.object_],
    counts: WordCounts,
    pairs: PairIndices,
) -> NDArray[np.float32]:
    """Return the features of the texts of pairs: (n_pairs, n_features).

    `counts` are those of the whole gallery, of the words of these titles.
    """
    nothing = csr_array((len(titles), 0), dtype=np.float32)
    encoded = EncodedTitles(titles, fields, [], nothing)
    context = PartContext(encoded, counts=counts)
    return model.describer.describe_texts(context, pairs, 1)[:]


def score_part(
    model: PairModel,
    titles: NDArray[np.object_],
    fields: NDArray[np.object_],
    pairs: PairIndices,
    of_texts: Part,
    scores: Sequence[Scores],
    similarities: Sequence[csr_array],
    levels: Sequence[Level],
) -> Scores:
    """Return what the next level says of pairs, before it is propagated: (n_pairs,).

    `scores` are the similarities of the pairs, by each embedder, and `similarities`
    those around each title, (n_titles, n_columns). Of the levels before, the last one
    alone needs to know what is around the titles.
    """
    context = PartContext(encode_words(titles, fields, []))
    of_scores = []
    for own, graph in zip(scores, similarities, strict=True):
        near = Neighbourhoods(graph)
        around = Around(near, near, context.holds_left, context.holds_right)
        of_scores.append(ScoreFeatures(own, pairs, around))
    described = DescribedPairs(context, pairs, of_texts, of_scores)
    return model.say(described, levels).probabilities
