"""skmatch leaves the process as it was: import, fit, use, save and load.

``test_contract.py`` compares random states, filters and thread pools within the process
of the tests. Here a new process does everything once, so that nothing has been imported
or set before.
"""

import subprocess
import sys

import pytest

AUDIT = """
import locale, logging, os, random, signal, sys, tempfile, warnings
import numpy as np
import torch, faiss  # they start their thread pools, which is not what is audited
from threadpoolctl import threadpool_info
import sklearn.ensemble, sklearn.model_selection  # set filters and two variables
name = sys.argv[1] if sys.argv[1:] else ""
is_bert = name.startswith("AdapterBert")
if is_bert or name == "LSTMTitleEmbedder":
    import gensim.models, nltk, pytorch_metric_learning.losses  # set filters
    import pytorch_metric_learning.miners, torch._dynamo

HANDLERS = [logging.getLogger(name) for name in ("", "sklearn", "torch", "skmatch")]
if is_bert:
    import adapters, peft, transformers  # which set variables and filters

def read_state():
    # A pool that appears is a library that was loaded; none may change its size.
    return {
        "random": random.getstate(),
        "numpy": [str(part) for part in np.random.get_state()],
        "torch": torch.get_rng_state().tolist(),
        "dtype": str(torch.get_default_dtype()),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "faiss threads": faiss.omp_get_max_threads(),
        "filters": [str(each) for each in warnings.filters],
        "showwarning": warnings.showwarning,
        "environment": dict(os.environ),
        "levels": [(each.level, each.disabled, each.propagate) for each in HANDLERS],
        "handlers": [list(each.handlers) for each in HANDLERS],
        "disabled": logging.root.manager.disable,
        "signals": [signal.getsignal(n) for n in signal.valid_signals()],
        "locale": locale.setlocale(locale.LC_ALL),
        "folder": os.getcwd(),
        "errors": np.geterr(),
        "print": np.get_printoptions(),
        "streams": (sys.stdout, sys.stderr, sys.excepthook, sys.gettrace()),
        "recursion": sys.getrecursionlimit(),
    }

def compare(before, when):
    after = read_state()
    changed = [name for name in before if before[name] != after[name]]
    assert not changed, (when, changed)

def sizes():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}

before = read_state()
import skmatch
compare(before, "import")
if sys.argv[1:]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    name, how, model = sys.argv[1:]
    small = {"embedding_dim": 8, "n_epochs": 1, "batch_size": 16, "random_state": 0}
    quick = HistGradientBoostingClassifier(max_iter=3, random_state=0)
    X, y = skmatch.make_product_titles(n_products=30, random_state=0)
    if name in ("FaissThresholdMatcher", "TunedThresholdMatcherCV"):
        X = np.random.default_rng(0).normal(size=(len(y), 8))
    params = {
        "LSTMTitleEmbedder": {"hidden_size": 4, **small},
        "AdapterBertEmbedder": {"model_name": model, "reduction_factor": 4, **small},
        "AdapterBertPairClassifier": {
            "model_name": model, "reduction_factor": 4, "n_epochs": 1, "random_state": 0
        },
        "TunedThresholdMatcherCV": {
            "estimator": skmatch.FaissThresholdMatcher(),
            "cv": skmatch.ClassDisjointKFold(2),
        },
        "PairClassifierMatcher": {"classifier": quick, "cv": 2, "random_state": 0},
        "TitlePairClassifier": {"classifier": quick, "cv": 2, "random_state": 0},
    }.get(name, {})
    known = {}
    if name.endswith("PairClassifier"):
        pairs = np.array([(i, j) for j in range(60) for i in range(j)])
        pairs = pairs[(y[pairs[:, 0]] == y[pairs[:, 1]]) | (np.diff(pairs)[:, 0] == 1)]
        X, y = X[pairs], y[pairs[:, 0]] == y[pairs[:, 1]]
    elif name == "PairClassifierMatcher" and how == "judged pairs":
        known = {"pairs": [[0, 1], [2, 3]], "is_match": [True, False]}
    if name == "PairClassifierMatcher" and how != "labels":
        y = None
    pools = sizes()
    with warnings.catch_warnings(record=True):  # what it warns of is tested elsewhere
        before = read_state()
        estimator = getattr(skmatch, name)(**params).fit(X, y, **known)
        compare(before, "fit")
        for method in ("transform", "predict", "predict_proba", "score_graph"):
            if hasattr(estimator, method):
                getattr(estimator, method)(X)
                compare(before, method)
        with tempfile.TemporaryDirectory() as folder:
            skmatch.save(estimator, folder)
            compare(before, "save")
            loaded = skmatch.load(folder)
            (loaded.transform if hasattr(loaded, "transform") else loaded.predict)(X)
            compare(before, "load")
    after = sizes()
    assert {path: after[path] for path in pools} == pools
"""
ESTIMATORS = [
    ("LSTMTitleEmbedder", "labels"),
    ("AdapterBertEmbedder", "labels"),
    ("FaissThresholdMatcher", "labels"),
    ("TunedThresholdMatcherCV", "labels"),
    ("PairClassifierMatcher", "labels"),
    ("PairClassifierMatcher", "no labels"),
    ("PairClassifierMatcher", "judged pairs"),
    ("TitlePairClassifier", "labels"),
    ("AdapterBertPairClassifier", "labels"),
]


def audit(*words):
    """Run the audit in a new process; return how it ended and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", AUDIT, *words], capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_import_leaves_the_process_as_it_was():
    assert audit() == (0, "", "")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how"), ESTIMATORS)
def test_estimator_leaves_the_process_as_it_was(name, how, bert_folder):
    assert audit(name, how, str(bert_folder)) == (0, "", "")
