"""Row-wise F1 and speed of PairClassifierMatcher beside one threshold on TF-IDF.

    python benchmarks/rescoring.py DATA.csv [DATA.csv ...]
    python benchmarks/rescoring.py --embedders DATA.csv [MODEL]
    python benchmarks/rescoring.py --ablation DATA.csv
    python benchmarks/rescoring.py --scale

DATA.csv has the columns ``title`` and ``label_group``; it is split by product as in
accuracy.py, and every threshold is chosen on training products. "from training" is the
score that fit expects, on galleries of a quarter of the training titles. With
``--embedders`` the trained embedders join, with MODEL, the folder of a BERT-family
model, the one on adapters too. With ``--ablation`` the classifiers do without a family
of features at a time. With ``--scale`` titles are drawn.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from accuracy import make_tfidf, print_table, read_split, tune
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmatch import (
    AdapterBertEmbedder,
    ClassDisjointKFold,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    PairClassifierMatcher,
    clustered_standard_error,
    make_product_titles,
    rowwise_f1_score,
)

COLUMNS = ["data", "method", "F1", "SE", "gain", "from training", "at", "gallery"]
FORMATS = {"F1": ".3f", "SE": ".3f", "from training": ".3f", "at": ".2f"}
FORMATS |= {"gallery": ",d", "fit s": ".0f", "predict s": ".1f", "candidates": ".3f"}
FAMILIES = {
    "words": ["words_"],
    "quantities and codes": ["quantities_", "codes_"],
    "edit-based": ["characters_"],
    "lengths": ["lengths_"],
    "similarities": ["tfidfvectorizer"],
    "second round": ["round"],
}


def measure_threshold(split: tuple[Any, ...]) -> dict[str, Any]:
    """Measure TF-IDF with one threshold, chosen on a quarter of the products."""
    titles, labels, test_titles, test_labels = split
    folds = ClassDisjointKFold(4, shuffle=True, random_state=0)
    fit, hold = next(folds.split(titles, labels))
    tuned = tune(
        make_tfidf(titles[fit], labels[fit]).transform(titles[hold]), labels[hold]
    )
    began = time.perf_counter()
    rows = make_tfidf(titles, labels).transform(test_titles)
    matches = FaissThresholdMatcher(tuned.best_threshold_).fit_predict(rows)
    row = {"method": "TF-IDF char_wb(2,4), one threshold", "at": tuned.best_threshold_}
    row |= {"predict s": time.perf_counter() - began}
    row |= {"from training": tuned.best_score_}
    oracle = tune(rows, test_labels)
    print(f"oracle of TF-IDF: {oracle.best_score_:.3f} at {oracle.best_threshold_}")
    return row | {"rows": rowwise_f1_score(test_labels, matches, average=None)}


def measure(
    name: str, matcher: PairClassifierMatcher, split: tuple[Any, ...]
) -> dict[str, Any]:
    """Measure a matcher."""
    titles, labels, test_titles, test_labels = split
    began = time.perf_counter()
    matcher.fit(titles, labels)
    fitted = time.perf_counter()
    matches = matcher.predict(test_titles)
    done = time.perf_counter()
    rows = rowwise_f1_score(test_labels, matches, average=None)
    print(f"done: {name} {rows.mean():.4f}", file=sys.stderr, flush=True)
    row = {"method": name, "at": matcher.threshold_, "rows": rows}
    row |= {"from training": matcher.best_score_, "fit s": fitted - began}
    row |= {"predict s": done - fitted, "candidates": matcher.candidate_recall_}
    return row


def show(path: str, split: tuple[Any, ...], rows: list[dict[str, Any]]) -> None:
    """Print the rows of a file; the first one is the baseline."""
    labels = split[3]
    baseline = rows[0]["rows"]
    for row in rows:
        scores = row.pop("rows")
        gain = scores - baseline
        row["data"] = path.split("/")[-1]
        row["F1"], row["gallery"] = scores.mean(), len(labels)
        row["SE"] = clustered_standard_error(scores, labels)
        error = clustered_standard_error(gain, labels)
        row["gain"] = f"{gain.mean():+.3f} ± {error:.3f}"
    print_table(rows, [*COLUMNS, "candidates", "fit s", "predict s"], FORMATS)
    print(flush=True)


def show_files(paths: list[str]) -> None:
    """Print what the default does on each file."""
    for path in paths:
        split = read_split(path)
        methods = {
            "PairClassifierMatcher(n_rounds=1)": {"n_rounds": 1},
            "PairClassifierMatcher()": {},
            "PairClassifierMatcher(n_rounds=3)": {"n_rounds": 3},
            "the same, nearest_for_lonely": {"nearest_for_lonely": True},
        }
        if (np.bincount(split[1])[split[1]] == 1).any():  # its assumption fails
            del methods["the same, nearest_for_lonely"]
        rows = [measure_threshold(split)]
        for name, parameters in methods.items():
            matcher = PairClassifierMatcher(random_state=0, n_jobs=2, **parameters)
            rows.append(measure(name, matcher, split))
        show(path, split, rows)


def show_embedders(path: str, model: str | None) -> None:
    """Print what the trained embedders add."""
    split = read_split(path)
    own: dict[str, Any] = {"LSTM": LSTMTitleEmbedder(random_state=0)}
    if model is not None:
        own = {"adapter BERT": AdapterBertEmbedder(model, random_state=0)}
    rows = [measure_threshold(split)]
    matcher = PairClassifierMatcher(random_state=0, n_jobs=2)
    rows.append(measure("PairClassifierMatcher()", matcher, split))
    for name, embedder in own.items():
        matcher = PairClassifierMatcher(
            ["tfidf", "words", embedder], random_state=0, n_jobs=2
        )
        rows.append(measure(f"the same, with {name}", matcher, split))
    show(path, split, rows)


def show_ablation(path: str) -> None:
    """Print what the matcher does without a family of features."""
    split = read_split(path)
    rows = [measure_threshold(split)]
    matcher = PairClassifierMatcher(random_state=0, n_jobs=2)
    rows.append(measure("all features", matcher, split))
    names = matcher.get_pair_feature_names()
    for family, starts in FAMILIES.items():
        if family == "second round":
            without = PairClassifierMatcher(n_rounds=1, random_state=0, n_jobs=2)
        else:
            left_out = [i for i, n in enumerate(names) if n.startswith(tuple(starts))]
            classifier = make_pipeline(
                FunctionTransformer(np.delete, kw_args={"obj": left_out, "axis": 1}),
                clone(matcher.classifiers_[0]),
            )
            without = PairClassifierMatcher(
                classifier=classifier, random_state=0, n_jobs=2
            )
        rows.append(measure(f"without {family}", without, split))
    show(path, split, rows)


def show_scale() -> None:
    """Print how time grows with the titles."""
    titles, labels = make_product_titles(2500, random_state=0)
    matcher = PairClassifierMatcher(random_state=0, n_jobs=2, threshold=0.5)
    matcher.fit(titles, labels)
    rows = []
    for n_titles in (25_000, 50_000, 100_000, 200_000):
        gallery = make_product_titles(n_titles // 3, random_state=1)[0][:n_titles]
        began = time.perf_counter()
        graph = matcher.match_probabilities(gallery)
        seconds = time.perf_counter() - began
        pairs = graph.nnz // 2
        rows.append(
            {"titles": len(gallery), "candidate pairs": pairs, "seconds": seconds}
        )
        rows[-1]["microseconds a pair"] = seconds / pairs * 1e6
        print(f"done: {rows[-1]}", file=sys.stderr, flush=True)
    formats = {"titles": ",d", "candidate pairs": ",d", "seconds": ".0f"}
    print_table(rows, [*rows[0]], formats | {"microseconds a pair": ".0f"})


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if "--embedders" in sys.argv and words:
        show_embedders(words[0], words[1] if len(words) > 1 else None)
    elif "--ablation" in sys.argv and words:
        show_ablation(words[0])
    elif "--scale" in sys.argv:
        show_scale()
    elif words:
        show_files(words)
    else:
        sys.exit(__doc__)
