import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from skmatch import PairClassifierMatcher, load, make_product_titles, save

QUICK = HistGradientBoostingClassifier(max_iter=20, random_state=0)


@pytest.fixture(scope="module")
def training():
    return make_product_titles(60, random_state=0)


@pytest.fixture(scope="module")
def foreign():
    return make_product_titles(40, random_state=5)[0]


@pytest.fixture(scope="module")
def matcher(training):
    matcher = PairClassifierMatcher(classifier=QUICK, cv=2, random_state=0)
    return matcher.set_params(threshold=0.5).fit(*training)


@pytest.fixture(scope="module")
def adapted(matcher, foreign):
    return matcher.adapt(foreign)


def test_the_gallery_is_learned(matcher, adapted, training, foreign):
    assert adapted.n_samples_fit_ == len(training[0]) + len(foreign)
    assert matcher.n_samples_fit_ == len(training[0])
    words = [m.embedders_[1].vocabulary_.keys() for m in (matcher, adapted)]
    assert words[0] < words[1]


def test_it_tells_what_has_changed(matcher, adapted, foreign):
    before, after = (m.predict(foreign).toarray() for m in (matcher, adapted))
    n = len(foreign)
    told = adapted.adaptation_
    assert told["n_titles"] == n
    assert 1 < told["n_groups"] < n
    assert told["n_matches_before"] == (before.sum() - n) // 2
    assert told["n_matches_after"] == (after.sum() - n) // 2
    kept = ((before & after).sum() - n) / (before.sum() - n)
    assert told["share_kept"] == pytest.approx(kept)


def test_adapted_matcher_is_saved(adapted, foreign, tmp_path):
    save(adapted, tmp_path / "matcher")
    loaded = load(tmp_path / "matcher")
    assert (loaded.predict(foreign) != adapted.predict(foreign)).nnz == 0
    assert loaded.adaptation_ == adapted.adaptation_


def test_disagreement_is_told(matcher, foreign, monkeypatch):
    decide = PairClassifierMatcher.decide

    def forget(self, graph):  # what the adapted matcher would say
        return decide(self, graph if self is matcher else graph * np.float32(0))

    monkeypatch.setattr(PairClassifierMatcher, "decide", forget)
    with pytest.warns(UserWarning, match=r"matches of X, the adapted matcher keeps 0%"):
        matcher.adapt(foreign)


def test_without_labels_there_is_nothing_to_adapt(training, foreign):
    matcher = PairClassifierMatcher(random_state=0).fit(training[0])
    with pytest.raises(ValueError, match="adapt adds to labels, and this matcher has"):
        matcher.adapt(foreign)


def test_foreign_gallery_is_told(matcher):
    titles = [f"qu{i} wu{i} zu{i % 9}" for i in range(40)]
    with pytest.warns(UserWarning, match="100% of the words of X are in no training"):
        matcher.predict(titles)
    assert 0 <= matcher.unseen_words_ < 1
