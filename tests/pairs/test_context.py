"""A pair is judged in a gallery, against a catalogue, or by itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skmatch.graph import Neighbourhoods, Propagation, symmetrize, widen
from skmatch.pairs._context import (
    Catalogue,
    CatalogueContext,
    EncodedTitles,
    GalleryContext,
    GrowingContext,
    Level,
    PairContext,
    PairIndices,
)
from skmatch.pairs._model import DescribedPairs
from skmatch.pairs._parsed_titles import count_words
from skmatch.pairs._word_weights import hash_words

KNOWN = count_words(["red mug"])


def encode(titles, degrees):
    radians = np.deg2rad(degrees)
    X = np.column_stack([np.cos(radians), np.sin(radians)]).astype(np.float32)
    titles = np.array(titles, dtype=object)
    return EncodedTitles(titles, titles, [X], hash_words(titles))


@pytest.fixture
def gallery():
    return encode(["red mug", "mug red", "tea", "green tea"], [0, 10, 80, 100])


@pytest.fixture
def catalogue(gallery):
    left, right = np.array([0, 2]), np.array([1, 3])
    scores = np.array([0.9, 0.8], np.float32)
    graph = symmetrize(scores, left, right, 4)
    levels = [Propagation(graph)]
    return Catalogue(
        gallery, count_words(gallery.titles), [Neighbourhoods(graph)], levels
    )


@pytest.fixture
def queries():
    return encode(["cup", "tea green"], [5, 95])


def test_candidates_of_a_gallery_come_once_and_never_alone(gallery):
    left, right = GalleryContext(gallery).candidates(1, 1)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 1), (2, 3)]


def test_candidates_against_a_catalogue(queries, catalogue):
    left, right = CatalogueContext(queries, catalogue).candidates(1, 1)
    assert left.tolist() == [0, 1]
    assert right[1] == 3
    left, _ = CatalogueContext(queries, catalogue).candidates(99, 1)
    assert left.tolist() == [0] * 4 + [1] * 4


def test_the_words_of_the_catalogue_count(queries, catalogue):
    context = CatalogueContext(queries, catalogue)
    titles, (left, right) = context.parse(
        KNOWN, PairIndices(np.array([1]), np.array([3]))
    )
    assert titles.texts[left[0]] == "tea green"
    assert titles.texts[right[0]] == "green tea"
    assert titles.texts == ["green tea", "cup", "tea green"]  # none that is not needed
    # "green tea" stands once in the catalogue; the queries do not count.
    assert titles.n_same_words.tolist() == [1, 1, 1]


def test_scores_around_a_pair(gallery, catalogue, queries):
    pairs = PairIndices(np.array([0, 0, 1]), np.array([0, 1, 3]))
    scores = np.array([0.5, 0.4, 0.7], np.float32)
    around = CatalogueContext(queries, catalogue).around(0, scores, pairs)
    assert (around.holds_left, around.holds_right) == (True, False)
    assert_allclose(around.left.graph.toarray(), [[0.5, 0.4, 0, 0], [0, 0, 0, 0.7]])
    assert around.right is catalogue.similarities[0]
    pair = PairIndices(np.array([0]), np.array([1]))
    among = GalleryContext(gallery).around(0, scores[:1], pair)
    assert (among.holds_left, among.holds_right) == (True, True)
    assert among.left is among.right


def test_propagation_in_a_gallery(gallery):
    pairs = PairIndices(np.array([0, 1]), np.array([1, 2]))
    probabilities = np.array([0.9, 0.6], np.float32)
    level = GalleryContext(gallery).propagate(0, probabilities, pairs, True)
    graph = symmetrize(probabilities, *pairs, 4)
    assert_array_equal(level.propagated, Propagation(graph).at(*pairs))
    assert level.of_left is level.of_right
    raw = GalleryContext(gallery).propagate(0, probabilities, pairs, False)
    assert_array_equal(raw.propagated, probabilities)


def test_a_pair_is_possible_by_what_is_said_or_propagated(gallery):
    pairs = PairIndices(np.zeros(3, np.intp), np.array([1, 2, 3]))
    said = np.array([0.001, 0.009, 0.01], np.float32)
    propagated = np.array([0.8, 0, 0], np.float32)
    among = Propagation(symmetrize(said, *pairs, 4))
    level = Level(said, propagated, among, among)
    assert level.is_possible.tolist() == [True, False, True]
    described = DescribedPairs(GalleryContext(gallery), pairs, said[:, None], [])
    assert described.list_possible([]).tolist() == [0, 1, 2]
    assert described.list_possible([level]).tolist() == [0, 2]
    # What the first level says counts, and a pair that was given is always possible.
    assert described.list_possible([level, level._replace(propagated=said)]).size == 2
    asked = described._replace(context=GalleryContext(gallery, pairs.at([1])))
    assert asked.list_possible([level]).tolist() == [0, 1, 2]


@pytest.mark.parametrize("level", [0, 1])
def test_a_gallery_that_grows_propagates_what_is_looked_at(level):
    rng = np.random.default_rng(0)
    n_known, n_rows = 200, 230
    scores = (np.triu(rng.random((n_rows, n_rows)), k=1) ** 3).astype(np.float32)
    scores *= np.triu(rng.random((n_rows, n_rows)) < 0.05, k=1)
    whole = csr_array(scores + scores.T)
    left, right = (side.astype(np.intp) for side in np.triu(scores).nonzero())
    pairs = PairIndices(left[right >= n_known], right[right >= n_known])
    known = widen(csr_array(whole[:n_known][:, :n_known]), n_rows)
    context = GrowingContext(
        encode(["tea"] * n_rows, np.zeros(n_rows)), n_known=n_known,
        probabilities=[known] * 2,
    )  # fmt: skip
    seen = np.arange(0, len(pairs.left), 2)
    said = context.propagate(level, scores[tuple(pairs)], pairs, True, seen)
    expected = Propagation(whole)
    assert_allclose(said.propagated, expected.at(*pairs), atol=1e-6)
    if level == 0:  # a later one looks at what this one finds possible
        seen = np.flatnonzero(said.is_possible)
    rows = np.unique(np.concatenate(pairs.at(seen)))
    assert 0 < len(rows) < n_rows
    assert_allclose(
        said.of_left.graph[rows].toarray(), expected.graph[rows].toarray(), atol=1e-6
    )


def test_propagation_against_a_catalogue(queries, catalogue):
    pairs = PairIndices(np.array([1]), np.array([3]))
    probabilities = np.array([0.9], np.float32)
    context = CatalogueContext(queries, catalogue)
    level = context.propagate(0, probabilities, pairs, True)
    graph = csr_array((probabilities, tuple(pairs)), shape=(2, 4))
    expected = Propagation(graph, catalogue.levels[0])
    assert_array_equal(level.of_left.graph.toarray(), expected.graph.toarray())
    assert level.of_right is catalogue.levels[0]


def test_a_pair_alone_is_known_by_what_both_are_in_the_catalogue(queries, catalogue):
    graph = csr_array(np.array([[0.9, 0, 0, 0], [0.8, 0, 0, 0]], np.float32))
    known = Propagation(graph, catalogue.levels[0])
    context = PairContext(
        queries, catalogue.encoded, catalogue.counts, [Neighbourhoods(graph)], [known]
    )
    pair = context.candidates(20, 1)
    assert (pair.left.tolist(), pair.right.tolist()) == ([0], [1])
    assert context.parse(KNOWN, pair)[0].texts == ["cup", "tea green"]
    around = context.around(0, np.array([0.1], np.float32), pair)
    assert (around.holds_left, around.holds_right) == (False, False)
    probabilities = np.array([0.2], np.float32)
    level = context.propagate(0, probabilities, pair, True)
    assert_array_equal(level.propagated, known.between(probabilities, *pair))
    assert level.propagated[0] > 0.2  # both match the same title
