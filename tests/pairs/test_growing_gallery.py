"""A gallery that grows is that of all titles at once, as far as pairs are scored."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmatch import PairClassifierMatcher, make_product_titles
from skmatch.matchers import ReadTitles, make_growing

TITLES, PRODUCT_IDS = make_product_titles(150, random_state=0)
NEW = TITLES[PRODUCT_IDS >= 80]


@pytest.fixture(scope="module")
def matcher():
    known = PRODUCT_IDS < 80
    matcher = PairClassifierMatcher(cv=2, random_state=0)
    return matcher.fit(TITLES[known], PRODUCT_IDS[known])


def read(titles):
    return ReadTitles(titles, titles)


def test_titles_that_come_at_once_are_scored_as_ever(matcher):
    scores = make_growing(matcher)
    gallery, _ = scores.grow(None, read(NEW))
    every = np.arange(len(NEW))
    expected = matcher.score_graph(NEW)
    assert_array_equal(scores.scores(gallery, every).toarray(), expected.toarray())
    some = np.array([2, 5, 40])
    part = scores.scores(gallery, some)
    assert np.flatnonzero(np.diff(part.indptr)).tolist() == some.tolist()
    np.testing.assert_allclose(
        part[some].toarray(), expected[some].toarray(), atol=1e-6
    )


def test_matches_of_new_titles_are_scored_again(matcher):
    scores = make_growing(matcher)
    first, _ = scores.grow(None, read(NEW[:-20]))
    gallery, joined = scores.grow(first, read(NEW[-20:]))
    n_known = len(NEW) - 20
    is_old = (joined.left < n_known) & (joined.right < n_known)
    assert is_old.any()
    old = joined.left[is_old], joined.right[is_old]
    before, after = (g.probabilities[-1] for g in (first, gallery))
    assert (before[old] != after[old]).any()
    said = joined.scores[-1][is_old]
    is_kept = said >= 0.01  # what is less goes, unless it is the highest of its row
    assert_array_equal(after[old][is_kept], said[is_kept])
    before, after = before.toarray(), after[:n_known][:, :n_known].toarray()
    others = before >= 0.01
    others[old] = others[old[::-1]] = False
    assert_array_equal(after[others], before[others])
    assert (after[before < 0.01] < 0.01).all()


def test_what_titles_brought_along_makes_the_gallery_again(matcher):
    scores = make_growing(matcher)
    gallery, again = None, None
    for titles in np.array_split(NEW, 3):
        grown, joined = scores.grow(gallery, read(titles))
        again = scores.join(again, read(titles), joined)
        gallery = grown
    for one, other in zip(gallery.probabilities, again.probabilities, strict=True):
        assert_array_equal(one.toarray(), other.toarray())
    for one, other in zip(gallery.similarities, again.similarities, strict=True):
        assert_array_equal(one.toarray(), other.toarray())
    assert gallery.counts == again.counts


def test_titles_that_left_do_not_count(matcher):
    scores = make_growing(matcher)
    gallery, _ = scores.grow(None, read(NEW))
    kept = np.delete(np.arange(len(NEW)), [0, 7, 30])
    smaller = gallery.at(kept)
    alone, _ = scores.grow(None, read(NEW[kept]))
    assert smaller.counts == alone.counts
    assert_array_equal(smaller.encoded.titles, alone.encoded.titles)
    assert_array_equal(
        smaller.probabilities[0].toarray(),
        gallery.probabilities[0].toarray()[np.ix_(kept, kept)],
    )
