import os
from pathlib import Path

import numpy as np
import pandas as pd
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


@pytest.fixture(scope="session")
def real_split():
    """Real titles and labels: those to train on, and a test gallery of new products."""
    if "SKMATCH_DATA" not in os.environ:
        pytest.skip("SKMATCH_DATA, the folder of the real titles, is not set")
    path = Path(os.environ["SKMATCH_DATA"], "shopee.csv")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    labels = np.unique(table["label_group"], return_inverse=True)[1]
    is_test = labels >= np.percentile(labels, 80)
    titles = table["title"].to_numpy(dtype=object)
    return titles[~is_test], labels[~is_test], titles[is_test], labels[is_test]
