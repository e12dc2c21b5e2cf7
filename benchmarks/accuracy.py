"""Row-wise F1 of the embedders and their baselines on a file of labelled titles.

    python benchmarks/accuracy.py DATA.csv [MODEL]

DATA.csv has the columns ``title`` and ``label_group``. With MODEL, the folder of a
BERT-family model such as all-MiniLM-L6-v2, the rows are those of AdapterBertEmbedder.
The split is by product: labels are numbered in sorted order, and the rows from the 80th
percentile of these numbers on are the test gallery. Each threshold is chosen on a
quarter of the training products, after a fit on the other three quarters; then the
method is fitted on all training rows.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from gensim.models import Word2Vec
from nltk.tokenize import WordPunctTokenizer
from scipy.sparse import csr_array, eye_array
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion

from skmatch import (
    AdapterBertEmbedder,
    ClassDisjointKFold,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    TunedThresholdMatcherCV,
    clustered_standard_error,
    rowwise_f1_score,
)

THRESHOLDS = np.arange(0.10, 1.0, 0.01).round(2)


def read_split(path: str) -> tuple[Any, ...]:
    """Return titles and labels of the training and of the test products."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    titles = table["title"].to_numpy(dtype=object)
    labels = np.unique(table["label_group"], return_inverse=True)[1]
    is_test = labels >= np.percentile(labels, 80)
    return titles[~is_test], labels[~is_test], titles[is_test], labels[is_test]


def make_tfidf(titles: Any, labels: Any) -> TfidfVectorizer:
    """Fit the baseline."""
    return TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True
    ).fit(titles)


def make_notebook_lstm(titles: Any, labels: Any) -> LSTMTitleEmbedder:
    """Fit an LSTM with the settings of the notebook that skmatch began as."""
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


def make_lstm(titles: Any, labels: Any) -> LSTMTitleEmbedder:
    """Fit the default embedder."""
    return LSTMTitleEmbedder(random_state=0).fit(titles, labels)


def decode(title: str) -> str:
    """Turn literal escapes such as \\xc3\\xa9 into the letters that they stand for."""
    return re.sub(
        r"(?:\\x[0-9a-f]{2})+",
        lambda found: bytes.fromhex(found[0].replace("\\x", "")).decode(
            errors="ignore"
        ),
        title,
    )


class Untrained:
    """The language model as it comes, with the mean of its states."""

    def __init__(self, model: str, read: Callable[[str], str] = str) -> None:
        self.model, self.read = model, read

    def transform(self, titles: Any) -> Any:
        """Embed titles by sentence-transformers."""
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(self.model, device="cpu")
        texts = [self.read(title) for title in titles]
        return model.encode(texts, normalize_embeddings=True)


def make_notebook_bert(model: str) -> Callable[[Any, Any], Any]:
    """Return a function that fits a BERT with the settings of the same notebook."""
    embedder = AdapterBertEmbedder(
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
    return lambda titles, labels: clone(embedder).fit(titles, labels)


def make_bert(model: str) -> Callable[[Any, Any], Any]:
    """Return a function that fits the default embedder on a language model."""
    embedder = AdapterBertEmbedder(model, random_state=0)
    return lambda titles, labels: clone(embedder).fit(titles, labels)


def tune(embeddings: Any, labels: Any) -> TunedThresholdMatcherCV:
    """Score each threshold on a gallery."""
    matcher = FaissThresholdMatcher().fit(embeddings)
    return TunedThresholdMatcherCV(matcher, cv="prefit", thresholds=THRESHOLDS).fit(
        embeddings, labels
    )


def measure(
    name: str,
    make: Callable[[Any, Any], Any],
    split: tuple[Any, ...],
    tuning: tuple[Any, Any],
) -> dict[str, Any]:
    """Measure one method."""
    train_titles, train_labels, test_titles, test_labels = split
    fit, hold = tuning
    chosen = tune(
        make(train_titles[fit], train_labels[fit]).transform(train_titles[hold]),
        train_labels[hold],
    ).best_threshold_
    began = time.perf_counter()
    embedder = make(train_titles, train_labels)
    fit_seconds = time.perf_counter() - began
    embeddings, encode_seconds = None, np.inf
    for _ in range(3):
        began = time.perf_counter()
        embeddings = embedder.transform(test_titles)
        encode_seconds = min(encode_seconds, time.perf_counter() - began)
    matches = FaissThresholdMatcher(chosen).fit_predict(embeddings)
    rows = rowwise_f1_score(test_labels, matches, average=None)
    oracle = tune(embeddings, test_labels)
    print(f"done: {name} {rows.mean():.4f}", file=sys.stderr, flush=True)
    return {
        "method": name,
        "F1": rows.mean(),
        "SE": clustered_standard_error(rows, test_labels),
        "at": chosen,
        "oracle F1": oracle.best_score_,
        "oracle at": oracle.best_threshold_,
        "gallery": len(test_labels),
        "fit s": fit_seconds,
        "titles/s": len(test_titles) / encode_seconds,
        "rows": rows,
        "embedder": embedder,
    }


def measure_trivial(labels: Any) -> dict[str, Any]:
    """Every row matches itself and the first row."""
    n_rows = len(labels)
    first = csr_array((np.ones(n_rows), (np.arange(n_rows), np.zeros(n_rows, int))))
    first.resize(n_rows, n_rows)
    rows = rowwise_f1_score(labels, eye_array(n_rows).tocsr() + first, average=None)
    return {
        "method": "trivial: itself and the first row",
        "F1": rows.mean(),
        "SE": clustered_standard_error(rows, labels),
        "gallery": n_rows,
        "rows": rows,
    }


def main(path: str, model: str | None) -> None:
    """Print the table of one file."""
    split = read_split(path)
    train_titles, train_labels, test_titles, test_labels = split
    folds = ClassDisjointKFold(4, shuffle=True, random_state=0)
    tuning = next(folds.split(train_titles, train_labels))
    made: dict[tuple[str, int], Any] = {}

    def remember(
        name: str, make: Callable[[Any, Any], Any]
    ) -> Callable[[Any, Any], Any]:
        def make_once(titles: Any, labels: Any) -> Any:
            if (name, len(titles)) not in made:
                made[name, len(titles)] = make(titles, labels)
            return made[name, len(titles)]

        return make_once

    tfidf = remember("tfidf", make_tfidf)
    if model is None:
        own, name = remember("own", make_lstm), "LSTMTitleEmbedder()"
        others = [("LSTM, settings of the notebook", make_notebook_lstm)]
    else:
        own, name = remember("own", make_bert(model)), "AdapterBertEmbedder(MODEL)"
        others = [
            ("MODEL, untrained", lambda titles, labels: Untrained(model)),
            (
                "MODEL, untrained, escapes decoded",
                lambda titles, labels: Untrained(model, decode),
            ),
            ("BERT, settings of the notebook", make_notebook_bert(model)),
        ]

    def make_union(titles: Any, labels: Any) -> FeatureUnion:
        parts = {"own": own(titles, labels), "tfidf": tfidf(titles, labels)}
        frozen = [(name, FrozenEstimator(part)) for name, part in parts.items()]
        return FeatureUnion(frozen).fit(titles, labels)

    print(
        f"{path.split('/')[-1]}: {len(train_titles)} training titles of "
        f"{len(np.unique(train_labels))} products; thresholds from {len(tuning[1])} of "
        f"them; test gallery {len(test_titles)} titles of "
        f"{len(np.unique(test_labels))} products\n",
        flush=True,
    )
    rows = [
        measure_trivial(test_labels),
        measure_trivial(np.concatenate([train_labels, test_labels])),
        measure("TF-IDF char_wb(2,4)", tfidf, split, tuning),
        *(measure(other, make, split, tuning) for other, make in others),
        measure(name, own, split, tuning),
        measure(f"{name} + TF-IDF (FeatureUnion)", make_union, split, tuning),
    ]
    baseline = rows[2]["rows"]
    for row in rows:
        scores = row.pop("rows")
        if len(scores) == len(baseline):
            gain = scores - baseline
            error = clustered_standard_error(gain, test_labels)
            row["gain"] = f"{gain.mean():+.3f} ± {error:.3f}"
        embedder = row.pop("embedder", None)
        if hasattr(embedder, "history_"):
            last = embedder.history_[-1]
            print(
                f"{row['method']}: best epoch {embedder.best_epoch_} of "
                f"{last['epoch']}, "
                f"non-zero share of the loss at the end {last['nonzero_share']:.3f}"
            )
    print("gain: over TF-IDF at its threshold, with its paired standard error\n")
    formats = {"F1": ".3f", "SE": ".3f", "at": ".2f", "oracle F1": ".3f"}
    formats |= {"oracle at": ".2f", "gallery": "d", "fit s": ".0f", "titles/s": ",.0f"}
    columns = ["method", "F1", "SE", "gain", "at", "oracle F1", "oracle at", "gallery"]
    print_table(rows, [*columns, "fit s", "titles/s"], formats)


def print_table(
    rows: list[dict[str, Any]], columns: list[str], formats: dict[str, str]
) -> None:
    """Print rows as a Markdown table."""
    cells = [
        [
            format(row[name], formats.get(name, "")) if name in row else ""
            for name in columns
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in [columns, ["-" * width for width in widths], *cells]:
        padded = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        print("| " + " | ".join(padded) + " |")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None)
