"""Row-wise F1 of embeddings and one threshold.

    python benchmarks/accuracy.py DATA.csv
    python benchmarks/accuracy.py abt_buy.csv --shuffle-products 0
    python benchmarks/accuracy.py DATA.csv --model MODEL [--without-notebook]

LSTMTitleEmbedder, its baselines and the settings of the notebook that skmatch began as;
with MODEL, the folder of a BERT-family model such as all-MiniLM-L6-v2,
AdapterBertEmbedder. Each threshold is chosen on a quarter of the training products,
after a fit on the other three quarters; then the method is fitted on all training rows.
"gain" is over TF-IDF at its threshold, with its paired standard error.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    Split,
    add_split_options,
    describe_split,
    fastest,
    hold_out,
    make_lstm,
    make_parser,
    make_table,
    make_tfidf,
    read_split,
    save_result,
    say,
    summarise,
    timed,
    tune,
)
from gensim.models import Word2Vec
from nltk.tokenize import WordPunctTokenizer
from scipy.sparse import csr_array, eye_array
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion

from skmatch import (
    AdapterBertEmbedder,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    decode_escapes,
    rowwise_f1_score,
)

MEASURES = (
    "skmatch/titles",
    "skmatch/embedders",
    "skmatch/search",
    "skmatch/evaluation",
)
COLUMNS = {
    "method": "",
    "F1": ".3f",
    "SE": ".3f",
    "gain": "",
    "at": ".2f",
    "oracle F1": ".3f",
    "oracle at": ".2f",
    "gallery": ",d",
    "fit s": ".0f",
    "titles/s": ",.0f",
    "epochs": "",
    "non-zero loss": ".3f",
}

Make = Callable[[Any, Any], Any]  # titles, labels -> fitted embedder


def make_notebook_lstm(titles: Any, labels: Any) -> LSTMTitleEmbedder:
    """Fit an LSTM with the settings of the notebook."""
    tokens = WordPunctTokenizer().tokenize_sents([title.lower() for title in titles])
    vectors = Word2Vec(tokens, vector_size=25, workers=1, seed=0).wv
    return LSTMTitleEmbedder(
        vectors,
        embedding_dim=100,
        hidden_size=25,
        n_layers=2,
        ngram_range=None,
        loss="triplet",
        miner="multi_similarity",
        batch_size=256,
        random_state=0,
    ).fit(titles, labels)


def make_notebook_bert(model: str) -> AdapterBertEmbedder:
    """Make a BERT with the settings of the notebook."""
    return AdapterBertEmbedder(
        model,
        pooling="pooler",
        embedding_dim=100,
        loss="triplet",
        miner="multi_similarity",
        n_epochs=4,
        batch_size=16,
        learning_rate=0.001,
        random_state=0,
    )


class Untrained:
    """The language model as it comes, with the mean of its states."""

    def __init__(self, model: str, read: Callable[[Any], Any] = list) -> None:
        self.model, self.read = model, read

    def transform(self, titles: Any) -> Any:
        """Embed titles by sentence-transformers."""
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(self.model, device="cpu")
        return model.encode(self.read(titles), normalize_embeddings=True)


def fit_once(embedder: Any) -> Make:
    """Return a function that fits an embedder once for each number of titles."""
    made: dict[int, Any] = {}

    def make(titles: Any, labels: Any) -> Any:
        if len(titles) not in made:
            made[len(titles)] = clone(embedder).fit(titles, labels)
        return made[len(titles)]

    return make


def union(*makes: Make) -> Make:
    """Put the columns of fitted embedders side by side."""

    def make(titles: Any, labels: Any) -> FeatureUnion:
        parts = [FrozenEstimator(make(titles, labels)) for make in makes]
        named = [(f"part{i}", part) for i, part in enumerate(parts)]
        return FeatureUnion(named).fit(titles, labels)

    return make


def measure(name: str, make: Make, split: Split) -> dict[str, Any]:
    """Measure one method."""
    fit, hold = hold_out(split)
    embedder = make(split.titles[fit], split.labels[fit])
    held = embedder.transform(split.titles[hold])
    chosen = tune(held, split.labels[hold]).best_threshold_
    fit_seconds, embedder = timed(lambda: make(split.titles, split.labels))
    (seconds,), (embeddings,) = fastest(lambda: embedder.transform(split.test_titles))
    matches = FaissThresholdMatcher(chosen).fit_predict(embeddings)
    scores = rowwise_f1_score(split.test_labels, matches, average=None)
    oracle = tune(embeddings, split.test_labels)
    say(f"done: {name} {scores.mean():.4f}")
    row = {"method": name, "at": chosen, "scores": scores}
    row |= {"oracle F1": oracle.best_score_, "oracle at": oracle.best_threshold_}
    row |= {"fit s": fit_seconds, "titles/s": len(split.test_titles) / seconds}
    if hasattr(embedder, "history_"):
        last = embedder.history_[-1]
        row["epochs"] = f"best {embedder.best_epoch_} of {last['epoch']}"
        row["non-zero loss"] = last["nonzero_share"]
    return row


def measure_trivial(labels: Any) -> dict[str, Any]:
    """Every row matches itself and the first row."""
    n_rows = len(labels)
    first = csr_array(
        (np.ones(n_rows), (np.arange(n_rows), np.zeros(n_rows, int))),
        shape=(n_rows, n_rows),
    )
    scores = rowwise_f1_score(labels, eye_array(n_rows).tocsr() + first, average=None)
    return {"method": "trivial: itself and the first row", "scores": scores}


def main(args: Namespace) -> None:
    """Measure the methods on one file."""
    split = read_split(args.data, args.ids, args.shuffle_products)
    tfidf = fit_once(make_tfidf())
    if args.model is None:
        own, name = fit_once(make_lstm()), "LSTMTitleEmbedder()"
        others: dict[str, Make] = {"LSTM, settings of the notebook": make_notebook_lstm}
    else:
        own = fit_once(AdapterBertEmbedder(args.model, random_state=0))
        name = "AdapterBertEmbedder(MODEL)"
        others = {
            "MODEL, untrained": lambda *_: Untrained(args.model),
            "MODEL, untrained, escapes decoded": lambda *_: Untrained(
                args.model, lambda titles: decode_escapes(titles).tolist()
            ),
        }
        if not args.without_notebook:
            bert = fit_once(make_notebook_bert(args.model))
            others["BERT, settings of the notebook"] = bert
    rows = [
        measure("TF-IDF char_wb(2,4)", tfidf, split),
        *(measure(other, make, split) for other, make in others.items()),
        measure(name, own, split),
        measure(f"{name} + TF-IDF (FeatureUnion)", union(own, tfidf), split),
    ]
    rows.insert(0, measure_trivial(split.test_labels))
    baseline = rows[1]["scores"]
    for row in rows:
        row |= summarise(row.pop("scores"), split.test_labels, baseline)
    everything = np.concatenate([split.labels, split.test_labels])
    trivial = measure_trivial(everything)
    rows.insert(1, trivial | summarise(trivial.pop("scores"), everything))
    what = Path(args.data).stem
    notes = []
    if args.model is not None:
        what += f"-{Path(args.model).name}"
        notes = [f"MODEL is {Path(args.model).name}."]
    table = make_table(describe_split(args.data, split), rows, COLUMNS)
    save_result(args, what, [table], notes)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("data", metavar="DATA.csv", help="columns title, label_group")
    parser.add_argument("--model", help="folder of a BERT-family model")
    parser.add_argument(
        "--without-notebook",
        action="store_true",
        help="leave out BERT with the settings of the notebook, half of the time",
    )
    add_split_options(parser)
    main(parser.parse_args())
