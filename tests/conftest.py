import numpy as np
import pytest

from skmatch import LSTMTitleEmbedder, make_product_titles


@pytest.fixture(scope="session")
def listings():
    titles, product_ids = make_product_titles(n_products=60, random_state=0)
    titles.flags.writeable = product_ids.flags.writeable = False
    return titles, product_ids


@pytest.fixture
def quick():
    """Make an embedder that fits in a second."""

    def make(*args, **params):
        defaults = {"embedding_dim": 32, "hidden_size": 8, "n_epochs": 2}
        defaults |= {"batch_size": 64, "device": "cpu", "random_state": 0}
        return LSTMTitleEmbedder(*args, **(defaults | params))

    return make


@pytest.fixture(scope="session")
def fitted(listings):
    titles, product_ids = listings
    return LSTMTitleEmbedder(
        embedding_dim=32, hidden_size=8, n_epochs=2, batch_size=64, random_state=0
    ).fit(titles, product_ids)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
