"""Titles as texts without differences of case and spaces, and texts as tokens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def plain_text(title: str) -> str:
    """Return a title in lower case with single spaces."""
    return " ".join(title.lower().split())


def distinct(titles: NDArray[np.object_]) -> tuple[list[str], NDArray[np.intp]]:
    """Return the distinct texts of titles, and the index of the text of each title.

    A text is a title in lower case with single spaces. Texts are sorted, so that what
    is computed of them does not depend, to the last digit, on the order of the titles.
    """
    texts = [plain_text(title) for title in titles]
    distinct_texts = sorted(set(texts))
    index_of = {text: index for index, text in enumerate(distinct_texts)}
    return distinct_texts, np.array([index_of[text] for text in texts], dtype=np.intp)


def tokenize(texts: list[str]) -> list[list[str]]:
    """Split texts into tokens: runs of word characters, and runs of punctuation."""
    from nltk.tokenize import WordPunctTokenizer

    return WordPunctTokenizer().tokenize_sents(texts)
