"""Kills, forks, processes and threads: nothing is lost, and results stay the same."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_info

from skmatch import FaissThresholdMatcher, PairClassifierMatcher

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def matchers(listings):
    """Fitted matchers of titles."""
    threshold = make_pipeline(TfidfVectorizer(), FaissThresholdMatcher(0.5))
    pairs = PairClassifierMatcher(cv=2, random_state=0)
    without_labels = PairClassifierMatcher(random_state=0)
    return [
        threshold.fit(*listings),
        pairs.fit(*listings),
        without_labels.fit(listings[0]),
    ]


def predict(matcher, titles):
    return matcher.predict(titles).toarray()


def run(script, *args):
    """Return what a script prints; its process is forked, and not that of the tests."""
    command = [sys.executable, "-W", "ignore", "-c", script, *args]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.split()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_killed_saves_lose_nothing(tmp_path):
    """Ten kills; benchmarks/robustness.py does more of them."""
    script = "import sys; sys.path.insert(0, sys.argv[1]); import robustness as r; "
    script += "print(r.kill_saves(10, sys.argv[2]), 'lost')"
    lost = run(script, ROOT / "benchmarks", tmp_path / "saved")
    assert lost == ["0", "lost"]


FORK = """
import multiprocessing, sys
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from skmatch import FaissThresholdMatcher, PairClassifierMatcher, TitlePairClassifier
from skmatch import make_product_titles

titles, labels = make_product_titles(n_products=60, random_state=0)
pairs = np.array([(i, j) for j in range(90) for i in range(j)])
pairs = pairs[(np.diff(labels[pairs])[:, 0] == 0) | (np.diff(pairs)[:, 0] == 1)]
processes = multiprocessing.get_context("fork")

def predict(estimator, X):
    found = estimator.predict(X)
    return found.toarray() if hasattr(found, "toarray") else found

def put(queue, estimator, X):
    queue.put(predict(estimator, X))

cases = {
    "threshold": (
        make_pipeline(TfidfVectorizer(), FaissThresholdMatcher(0.5)), titles, labels
    ),
    "product ids": (PairClassifierMatcher(cv=2, random_state=0), titles, labels),
    "no labels": (PairClassifierMatcher(random_state=0), titles, None),
    "pairs": (
        TitlePairClassifier(cv=2, random_state=0),
        titles[pairs],
        labels[pairs[:, 0]] == labels[pairs[:, 1]],
    ),
}
for name in sys.argv[1:]:
    estimator, X, y = cases[name]
    queue = processes.SimpleQueue()
    expected = predict(estimator.fit(X, y), X)
    process = processes.Process(target=put, args=(queue, estimator, X))
    process.start()
    print((queue.get() == expected).all())
    process.join()
"""
of_fork = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere fork is not safe"
)


@of_fork
@pytest.mark.slow
def test_fork_after_fit():
    assert run(FORK, "threshold", "product ids") == ["True", "True"]


@of_fork
@pytest.mark.slow
def test_fork_after_what_was_learned_from_made_up_titles():
    assert run(FORK, "no labels", "pairs") == ["True", "True"]


@pytest.mark.slow
def test_two_processes_of_joblib(matchers, listings):
    for matcher in matchers:
        expected = predict(matcher, listings[0])
        found = joblib.Parallel(n_jobs=2)(
            joblib.delayed(predict)(matcher, listings[0]) for _ in range(4)
        )
        for matches in found:
            assert_array_equal(matches, expected)


def pools():
    return sorted((pool["filepath"], pool["num_threads"]) for pool in threadpool_info())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The threshold was chosen on galleries:UserWarning")
def test_eight_threads_leave_the_thread_pools(matchers, listings):
    """Threads that end in another order than they began."""
    for matcher in matchers:
        expected, before = predict(matcher, listings[0]), pools()
        parts = [listings[0][: 20 * n] for n in range(1, 9)]
        with ThreadPoolExecutor(8) as pool:
            for _ in range(3):
                found = [*pool.map(lambda p, m=matcher: predict(m, p), parts)]
        assert pools() == before
        assert_array_equal(predict(matcher, listings[0]), expected)
        for matches, part in zip(found, parts, strict=True):
            assert_array_equal(np.diag(matches), np.ones(len(part), bool))
            assert_array_equal(matches, predict(matcher, part))
