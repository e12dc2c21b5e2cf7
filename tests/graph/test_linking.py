import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

from skmatch import link_catalogues


@pytest.mark.parametrize("shape", [(12, 12), (5, 12), (12, 5)])
def test_link_is_the_best_assignment(rng, shape):
    similarities = np.where(rng.random(shape) < 0.5, rng.random(shape), 0)
    links = link_catalogues(csr_array(similarities)).toarray()
    assert ((links > 0).sum(axis=0) <= 1).all()
    assert ((links > 0).sum(axis=1) <= 1).all()
    best = similarities[linear_sum_assignment(similarities, maximize=True)].sum()
    assert links.sum() == pytest.approx(best, rel=1e-5)


def test_link_leaves_out_what_is_not_similar():
    links = link_catalogues(np.array([[0.9, 0.0], [0.0, 0.3]]), threshold=0.5)
    np.testing.assert_allclose(links.toarray(), [[0.9, 0], [0, 0]])
    assert link_catalogues(csr_array((0, 4))).shape == (0, 4)
    assert link_catalogues(csr_array((3, 2))).nnz == 0
