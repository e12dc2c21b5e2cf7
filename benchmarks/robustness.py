"""What is lost when programs are killed, how large saves are, and peaks of memory.

    python benchmarks/robustness.py --kills 100
    python benchmarks/robustness.py --sizes titles.csv
    python benchmarks/robustness.py --memory titles.csv

--kills kills programs with SIGKILL at random moments: while they save over an older
save, and while they train with checkpoints. "lost" counts folders that did not load, or
held neither the old estimator nor the new one; a resumed training must end with the
result of an unbroken one, bit for bit.

--sizes compares a save with what must be kept: the bytes of the arrays, texts and
weights that a pickle of the same estimator holds, without what can be computed again.

Hostile input is drawn by `tests/test_hostile.py`: an answer is right by a slow oracle
or the rules of its case, or a ValueError or TypeError names the parameter or the row.
Anything else fails the test:

    export SKMATCH_HOSTILE=10000 SKMATCH_HOSTILE_RESULTS=FILE
    pytest tests/test_hostile.py

--memory gives the peak of the resident set above that before the call, each in a
process of its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from argparse import SUPPRESS, Namespace
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from _common import PeakMemory, make_parser, make_table, read_split, save_result, say
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skmatch import (
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    PairClassifierMatcher,
    load,
    make_product_titles,
    save,
)

MEASURES = ("skmatch/persistence", "skmatch/embedders", "skmatch/matchers")
KILL_COLUMNS = {"killed while it": "", "kills": ",d", "lost": ",d", "note": ""}
SIZE_COLUMNS = {"estimator": "", "save kB": ",.0f", "must be kept kB": ",.0f"}
SIZE_COLUMNS |= {"ratio": ".2f", "pickle kB": ",.0f"}
MEMORY_COLUMNS = {"what": "", "seconds": ",.1f", "peak MB": ",.0f"}
TRAIN = """
import sys
from skmatch import LSTMTitleEmbedder, make_product_titles, save
titles, labels = make_product_titles(n_products=200, random_state=0)
embedder = LSTMTitleEmbedder(
    embedding_dim=64, hidden_size=8, n_epochs=40, patience=40, batch_size=128,
    random_state=0, checkpoint_dir=sys.argv[1] or None, device="cpu",
)
save(embedder.fit(titles, labels), sys.argv[2])
"""


# Kills


def save_for_ever(estimators: list[BaseEstimator], folder: str, ready: Any) -> None:
    """Save one estimator after another over the same folder."""
    ready.set()
    while True:
        for estimator in estimators:
            save(estimator, folder)


def kill_saves(n_kills: int, folder: str) -> int:
    """Kill programs that save; return how often what was there is not whole."""
    titles, _ = make_product_titles(n_products=50, random_state=0)
    estimators = [
        make_pipeline(TfidfVectorizer(), FaissThresholdMatcher(t)).fit(titles)
        for t in (0.3, 0.7)
    ]
    expected = {e[-1].threshold: e.transform(titles).toarray() for e in estimators}
    save(estimators[0], folder)
    rng, processes = np.random.default_rng(0), multiprocessing.get_context("fork")
    n_lost = 0
    for _ in range(n_kills):
        ready = processes.Event()
        process = processes.Process(
            target=save_for_ever, args=(estimators, folder, ready)
        )
        process.start()
        ready.wait()
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        process.join()
        try:
            found = load(folder)
            same = found.transform(titles).toarray() == expected[found[-1].threshold]
            n_lost += not same.all()
        except ValueError:
            n_lost += 1
    save(estimators[0], folder)
    left = set(os.listdir(folder)) - set(_named(folder)) - {"skmatch.json"}
    return n_lost + len(left)


def _named(folder: str) -> list[str]:
    """Return the files that a save names."""
    return list(json.loads(Path(folder, "skmatch.json").read_bytes())["files"])


def kill_trainings(n_kills: int, folder: str) -> tuple[int, int]:
    """Kill trainings and start them again; return how many ended, and ended wrong."""

    def start(checkpoints: str, out: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", TRAIN, checkpoints, out])

    assert start("", f"{folder}/unbroken").wait() == 0
    expected = load(f"{folder}/unbroken").module_.state_dict()
    rng = np.random.default_rng(0)
    n_done = n_ended = n_wrong = 0
    while n_done < n_kills:
        process = start(f"{folder}/states", f"{folder}/resumed")
        # A program takes seconds to start; then it trains about two epochs a second.
        try:
            process.wait(rng.uniform(3, 9))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            n_done += 1
            say(f"{n_done} trainings killed, {n_ended} ended")
            continue
        found = load(f"{folder}/resumed").module_.state_dict()
        same = all(bool((found[name] == expected[name]).all()) for name in expected)
        n_ended, n_wrong = n_ended + 1, n_wrong + (process.returncode != 0 or not same)
    if start(f"{folder}/states", f"{folder}/resumed").wait() != 0:
        n_wrong += 1
    return n_ended + 1, n_wrong


def measure_kills(args: Namespace) -> None:
    """Kill programs that save and programs that train."""
    with TemporaryDirectory() as folder:
        n_lost = kill_saves(args.kills, f"{folder}/saves")
        say(f"{args.kills} saves killed, {n_lost} lost")
        n_ended, n_wrong = kill_trainings(args.kills, folder)
    rows = [
        {"killed while it": "saves", "kills": args.kills, "lost": n_lost},
        {"killed while it": "trains", "kills": args.kills, "lost": n_wrong},
    ]
    rows[1]["note"] = f"{n_ended} trainings went on to their end"
    save_result(args, "kills", [make_table("", rows, KILL_COLUMNS)])


# Sizes


def bytes_to_keep(value: Any, seen: dict[int, Any]) -> int:
    """Sum the bytes of the arrays, texts and weights in an estimator, each once."""
    if id(value) in seen:
        return 0
    seen[id(value)] = value  # an id is one value's as long as that lives
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return sum(bytes_to_keep(item, seen) for item in value.ravel())
        return value.nbytes
    if type(value).__module__ == "torch":
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(bytes_to_keep(k, seen) + _kept(v, seen) for k, v in value.items())
    if isinstance(value, (list, tuple, set)):
        return sum(_kept(item, seen) for item in value)
    if hasattr(value, "__getstate__") and not callable(value):
        state = value.__getstate__()
        return bytes_to_keep(state, seen) if isinstance(state, dict) else 0
    return 0


def _kept(value: Any, seen: dict[int, Any]) -> int:
    """Return the bytes of a value; a number in a container takes four."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return 4 if is_number else bytes_to_keep(value, seen)


def measure_sizes(args: Namespace) -> None:
    """Compare the sizes of saves with what must be kept."""
    split = read_split(args.sizes)
    titles, labels = split.titles, split.labels
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), dtype=np.float32)
    estimators: dict[str, Callable[[], Any]] = {
        "TF-IDF and FaissThresholdMatcher": lambda: make_pipeline(
            tfidf, FaissThresholdMatcher()
        ),
        "LSTMTitleEmbedder": lambda: LSTMTitleEmbedder(n_epochs=1, random_state=0),
        "PairClassifierMatcher": lambda: PairClassifierMatcher(random_state=0),
    }
    rows = []
    for name, make in estimators.items():
        estimator = make().fit(titles, labels)
        with TemporaryDirectory() as folder:
            save(estimator, folder)
            n_saved = sum(path.stat().st_size for path in Path(folder).iterdir())
        n_kept = bytes_to_keep(estimator, {})
        rows.append(
            {
                "estimator": name,
                "save kB": n_saved / 1e3,
                "must be kept kB": n_kept / 1e3,
                "ratio": n_saved / n_kept,
                "pickle kB": len(pickle.dumps(estimator)) / 1e3,
            }
        )
        say(str(rows[-1]))
    title = f"{Path(args.sizes).name}: {len(titles):,} training titles"
    what = f"sizes-{Path(args.sizes).stem}"
    save_result(args, what, [make_table(title, rows, SIZE_COLUMNS)])


# Memory


def fit_real(path: str) -> Callable[[], Any]:
    """Fit the pair classifier on the training titles of a file."""
    split = read_split(path)
    matcher = PairClassifierMatcher(random_state=0)
    return lambda: matcher.fit(split.titles, split.labels)


def fitted_matcher() -> PairClassifierMatcher:
    """Return a pair classifier of made titles."""
    titles, labels = make_product_titles(n_products=400, random_state=1)
    return PairClassifierMatcher(random_state=0).fit(titles, labels)


def predict_many(_: str) -> Callable[[], Any]:
    """Match 20,000 made titles with one another."""
    titles, _ = make_product_titles(n_products=6000, random_state=2)
    matcher = fitted_matcher()
    return lambda: matcher.predict(titles[:20_000])


def predict_equal(_: str) -> Callable[[], Any]:
    """Match 20,000 equal titles with one another."""
    matcher = fitted_matcher()
    return lambda: matcher.predict(["Paper Bag 20 cm"] * 20_000)


def match_vectors(_: str) -> Callable[[], Any]:
    """Match 200,000 vectors of 100 columns, in clusters of three, with one another."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(66_667, 100)).astype(np.float32)
    rows = np.repeat(centres, 3, axis=0)[:200_000]
    rows += 0.2 * rng.normal(size=rows.shape).astype(np.float32)
    return lambda: FaissThresholdMatcher(0.875, n_jobs=1).fit_predict(rows)


TASKS: dict[str, Callable[[str], Callable[[], Any]]] = {
    "PairClassifierMatcher.fit, training titles": fit_real,
    "PairClassifierMatcher.predict, 20,000 titles": predict_many,
    "PairClassifierMatcher.predict, 20,000 equal titles": predict_equal,
    "FaissThresholdMatcher, 200,000 x 100": match_vectors,
}


def measure_alone(name: str, path: str) -> None:
    """Measure one task in this process; print the result as JSON."""
    call = TASKS[name](path)
    with PeakMemory() as peak:
        began = time.perf_counter()
        call()
        seconds = time.perf_counter() - began
    print(json.dumps({"what": name, "seconds": seconds, "peak MB": peak.mb}))


def measure_memory(args: Namespace) -> None:
    """Measure each task in a process of its own."""
    rows = []
    for name in TASKS:
        command = [sys.executable, __file__, "--one", name, args.memory]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout))
        say(str(rows[-1]))
    what = f"memory-{Path(args.memory).stem}"
    save_result(args, what, [make_table("", rows, MEMORY_COLUMNS)])


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--kills", type=int, metavar="N", help="kills of each kind")
    parser.add_argument("--sizes", metavar="DATA.csv", help="sizes of saves")
    parser.add_argument("--memory", metavar="DATA.csv", help="peaks of memory")
    parser.add_argument("--one", nargs=2, help=SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure_alone(*arguments.one)
    if arguments.kills:
        measure_kills(arguments)
    if arguments.sizes:
        measure_sizes(arguments)
    if arguments.memory:
        measure_memory(arguments)
