"""Reading a large file of word vectors: skmatch against gensim.

    python benchmarks/word_vectors.py

Writes a file of the size of glove-twitter-25, 1,193,514 words of 25 dimensions in
word2vec's text format, to a temporary folder. skmatch then looks up the words of a
training set, 40,000 of them; gensim reads the whole file, as its users do.
"""

from __future__ import annotations

import os
import pickle
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from _common import fastest, make_parser, make_table, save_result, timed
from gensim.models import KeyedVectors

from skmatch import LSTMTitleEmbedder, make_product_titles
from skmatch.titles import open_word_vectors

MEASURES = ("skmatch/titles",)
N_WORDS, VECTOR_SIZE, N_NEEDED = 1_193_514, 25, 40_000


def write_vectors(path: Path, n_words: int) -> list[str]:
    """Write word2vec text; return its words. A few are words of made titles."""
    rng = np.random.default_rng(0)
    titles, _ = make_product_titles(n_products=2000, random_state=0)
    known = sorted({word for title in titles for word in title.lower().split()})
    words = known + [f"w{number:x}" for number in range(n_words - len(known))]
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(words)} {VECTOR_SIZE}\n")
        for start in range(0, len(words), 10_000):
            some = words[start : start + 10_000]
            block = rng.normal(size=(len(some), VECTOR_SIZE)).round(5).tolist()
            file.writelines(
                f"{word} {' '.join(map(str, row))}\n"
                for word, row in zip(some, block, strict=True)
            )
    return words


def compare_reading(path: Path, needed: list[str]) -> tuple[list[dict], KeyedVectors]:
    """Measure the look-up of words; return what gensim read, too."""
    turn = 0

    def read_anew() -> Any:
        nonlocal turn
        turn += 1
        os.utime(path, (turn, turn))  # a file that has changed is opened again
        return open_word_vectors(path).select(needed)

    (seconds,), (found,) = fastest(read_anew)
    again, _ = timed(lambda: open_word_vectors(path).select(needed))
    peer, vectors = timed(lambda: KeyedVectors.load_word2vec_format(str(path)))
    if not all(np.array_equal(found[word], vectors[word]) for word in needed):
        raise AssertionError("skmatch and gensim read different vectors")
    rows = [
        {"reader": "gensim load_word2vec_format", "seconds": peer, "times": 1},
        {"reader": "skmatch", "seconds": seconds, "times": peer / seconds},
        {"reader": "skmatch, again", "seconds": again, "times": peer / again},
    ]
    return rows, vectors


def compare_pickles(path: Path, vectors: KeyedVectors) -> list[dict[str, Any]]:
    """Measure what a fitted embedder carries of its word vectors."""
    titles, labels = make_product_titles(n_products=2000, random_state=0)
    pickled = {
        "KeyedVectors": vectors,
        "LSTMTitleEmbedder fitted with a path": LSTMTitleEmbedder(
            path, n_epochs=1, random_state=0
        ).fit(titles, labels),
        "LSTMTitleEmbedder fitted with a KeyedVectors": LSTMTitleEmbedder(
            vectors, n_epochs=1, random_state=0
        ).fit(titles, labels),
    }
    return [
        {"pickled": name, "pickle MB": len(pickle.dumps(value)) / 1e6}
        for name, value in pickled.items()
    ]


def main(args: Namespace) -> None:
    """Measure reading and pickling."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "vectors.txt")
        words = write_vectors(path, args.words)
        needed = words[:: max(1, len(words) // N_NEEDED)]
        title = (
            f"{path.stat().st_size / 1e6:.0f} MB of text, {len(words):,} words of "
            f"{VECTOR_SIZE} dimensions; {len(needed):,} of them are needed"
        )
        rows, vectors = compare_reading(path, needed)
        sizes = compare_pickles(path, vectors)
    columns = {"reader": "", "seconds": ".2f", "times": ".1f"}
    tables = [
        make_table(title, rows, columns),
        make_table("", sizes, {"pickled": "", "pickle MB": ".1f"}),
    ]
    save_result(args, "text", tables)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--words", type=int, default=N_WORDS, help="words of the file")
    main(parser.parse_args())
