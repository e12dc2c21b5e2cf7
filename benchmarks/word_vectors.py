"""Reading a large file of word vectors: skmatch against gensim.

    python benchmarks/word_vectors.py

Writes a file of the size of glove-twitter-25, 1,193,514 words of 25 dimensions in
word2vec's text format, to a temporary folder. skmatch then looks up the words of a
training set, 40,000 of them; gensim reads the whole file, as its users do.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from accuracy import print_table
from gensim.models import KeyedVectors

from skmatch import LSTMTitleEmbedder, make_product_titles
from skmatch.titles._word_vectors import _open_file, open_word_vectors

N_WORDS, VECTOR_SIZE, N_NEEDED = 1_193_514, 25, 40_000


def write_vectors(path: Path) -> list[str]:
    """Write word2vec text; return its words. A few are words of made titles."""
    rng = np.random.default_rng(0)
    titles, _ = make_product_titles(n_products=2000, random_state=0)
    known = sorted({word for title in titles for word in title.lower().split()})
    words = known + [f"w{number:x}" for number in range(N_WORDS - len(known))]
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{N_WORDS} {VECTOR_SIZE}\n")
        for start in range(0, N_WORDS, 10_000):
            some = words[start : start + 10_000]
            block = rng.normal(size=(len(some), VECTOR_SIZE)).round(5).tolist()
            file.writelines(
                f"{word} {' '.join(map(str, row))}\n"
                for word, row in zip(some, block, strict=True)
            )
    return words


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of a call and its result."""
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def main() -> None:
    """Print the table."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "vectors.txt")
        words = write_vectors(path)
        needed = words[:: N_WORDS // N_NEEDED]
        print(
            f"{path.stat().st_size / 1e6:.0f} MB of text, {N_WORDS:,} words of "
            f"{VECTOR_SIZE} dimensions; {len(needed):,} of them are needed\n"
        )
        ours = []
        for _ in range(3):
            _open_file.cache_clear()
            ours.append(timed(lambda: open_word_vectors(path).select(needed)))
        seconds, found = min(ours, key=lambda pair: pair[0])
        again, _ = timed(lambda: open_word_vectors(path).select(needed))
        peer, vectors = timed(lambda: KeyedVectors.load_word2vec_format(str(path)))
        assert all(np.array_equal(found[word], vectors[word]) for word in needed)
        formats = {"seconds": ".2f", "times": ".1f", "pickle MB": ".1f"}
        rows = [
            {"reader": "gensim load_word2vec_format", "seconds": peer, "times": 1},
            {"reader": "skmatch", "seconds": seconds, "times": peer / seconds},
            {"reader": "skmatch, again", "seconds": again, "times": peer / again},
        ]
        print_table(rows, ["reader", "seconds", "times"], formats)

        titles, labels = make_product_titles(n_products=2000, random_state=0)
        fits = {
            "path": LSTMTitleEmbedder(path, n_epochs=1, random_state=0),
            "KeyedVectors": LSTMTitleEmbedder(vectors, n_epochs=1, random_state=0),
        }
        sizes = [{"pickled": "KeyedVectors", "pickle MB": len(pickle.dumps(vectors))}]
        for name, embedder in fits.items():
            size = len(pickle.dumps(embedder.fit(titles, labels)))
            n_words = len(embedder.vocabulary_.row_of)
            sizes.append({"pickled": f"LSTMTitleEmbedder fitted with a {name}"})
            sizes[-1] |= {"words": n_words, "pickle MB": size}
        for row in sizes:
            row["pickle MB"] /= 1e6
        print()
        print_table(sizes, ["pickled", "words", "pickle MB"], formats)


if __name__ == "__main__":
    main()
