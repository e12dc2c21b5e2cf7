from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import faiss
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from skmatch import FaissThresholdMatcher
from skmatch.search import limit_threads


@pytest.fixture
def two_threads():
    """More than one thread, whatever the environment says, and any thread may limit."""
    before = threadpool_limits(2)
    with threadpool_limits():
        pass
    yield
    before.restore_original_limits()


def n_threads(api):
    return [
        pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == api
    ]


@pytest.mark.usefixtures("two_threads")
def test_limit_holds_meanwhile():
    before = n_threads("blas"), n_threads("openmp"), faiss.omp_get_max_threads()
    with limit_threads(1):
        assert {*n_threads("blas"), *n_threads("openmp")} == {1}
        assert faiss.omp_get_max_threads() == 1
    assert (n_threads("blas"), n_threads("openmp"), 2) == before


@pytest.mark.usefixtures("two_threads")
def test_limits_in_one_another():
    with limit_threads(2):
        with limit_threads(1):
            assert set(n_threads("blas")) == {1}
        assert set(n_threads("openmp")) == {2}
    assert set(n_threads("blas")) == {2}


@pytest.mark.usefixtures("two_threads")
def test_limit_is_lifted_when_the_last_thread_leaves():
    """The first one to enter leaves first: it must not restore, nor the last keep."""
    entered, inside, left = Barrier(2), Barrier(2), Barrier(2)

    def early():
        with limit_threads(1):
            entered.wait()
            inside.wait()
        left.wait()

    def late():
        entered.wait()
        with limit_threads(1):
            inside.wait()
            left.wait()
            return n_threads("blas")

    with ThreadPoolExecutor(2) as pool:
        pool.submit(early)
        assert set(pool.submit(late).result()) == {1}
    assert set(n_threads("blas")) == {2}


@pytest.mark.usefixtures("two_threads")
def test_error_lifts_the_limit():
    with pytest.raises(KeyboardInterrupt), limit_threads(1):
        raise KeyboardInterrupt
    assert set(n_threads("blas")) == {2}


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("index", ["auto", "IVF4,Flat"])
def test_eight_threads_on_one_matcher(rng, index):
    centres = rng.normal(size=(100, 8))
    X = np.repeat(centres, 3, axis=0) + 0.05 * rng.normal(size=(300, 8))
    matcher = FaissThresholdMatcher(0.9, index=index).fit(X)
    before = sorted(map(str, threadpool_info())), faiss.omp_get_max_threads()
    expected = matcher.predict(X)
    with ThreadPoolExecutor(8) as pool:
        tasks = [
            pool.submit(method, X)
            for _ in range(10)
            for method in (matcher.predict, matcher.score_graph, matcher.transform)
        ]
        found = [task.result() for task in tasks]
    for matches in found[::3]:
        assert (matches != expected).nnz == 0
    assert (sorted(map(str, threadpool_info())), faiss.omp_get_max_threads()) == before
