import os

# Beside other processes of tests, threads of OpenMP wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from joblib.externals.loky import get_reusable_executor

from skmatch import LSTMTitleEmbedder, make_product_titles

# How fast an example runs depends on what else the machine does; the same examples are
# tried each time, so that a change fails by what it changed.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


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


@pytest.fixture(scope="module", autouse=True)
def no_idle_workers():
    """End joblib's workers with each module: idle ones end by themselves, and a test
    that needs them just then may wait for ever.
    """
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture(scope="session", autouse=True)
def transferred_quickly():
    """Learn less of made-up titles; what all of it brings is in the benchmarks."""
    from skmatch.pairs import _transfer

    of_use = _transfer._CLASSIFIER.get_params()
    _transfer._CLASSIFIER.set_params(max_iter=20, learning_rate=0.3)
    yield
    _transfer._CLASSIFIER.set_params(**of_use)


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


@pytest.fixture(scope="session")
def bert_folder(tiny_bert):
    """The same, where there is the library of the adapters."""
    pytest.importorskip("adapters")
    return tiny_bert


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """A random BERT of two layers of width 16, and its vocabulary."""
    transformers = pytest.importorskip("transformers")
    import torch

    folder = tmp_path_factory.mktemp("bert")
    letters = [chr(number) for number in range(ord("a"), ord("z") + 1)]
    letters += [str(number) for number in range(10)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    words += [f"##{letter}" for letter in letters] + ["paper", "bag", "cm", "ml"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def bert_copy(bert_folder, tmp_path):
    """A copy of the same that a test may spoil."""
    return Path(shutil.copytree(bert_folder, tmp_path / "bert"))


@pytest.fixture(scope="session")
def forge():
    """Change the settings of a save as one who makes the hash right could."""
    from skmatch.persistence._folder import MANIFEST, _digest, to_json

    def forge(folder, change):
        path = folder / MANIFEST
        content = json.loads(path.read_bytes())
        del content["sha256"]
        change(content)
        path.write_bytes(to_json(content | {"sha256": _digest(content)}))

    return forge


@pytest.fixture(scope="session")
def forge_file(forge):
    """Replace what a file of a save holds, with a name and a hash that fit it."""

    def forge_file(folder, path, new):
        digest = hashlib.sha256(new).hexdigest()
        name = f"{digest[:32]}{path.suffix}"
        path.unlink()
        (folder / name).write_bytes(new)
        manifest = folder / "skmatch.json"
        manifest.write_text(manifest.read_text().replace(path.name, name))
        entry = {"bytes": len(new), "sha256": digest}
        forge(folder, lambda content: content["files"].update({name: entry}))

    return forge_file
