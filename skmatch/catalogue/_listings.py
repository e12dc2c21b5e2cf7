"""The listings of a catalogue and the scores of their titles, in memory.

Listings of equal titles and fields share a row of the gallery from the seventeenth on:
it is scored once for all of them.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skmatch.catalogue._answers import Answers
from skmatch.catalogue._assignment import NEW
from skmatch.graph import group_with_answers
from skmatch.matchers import GrowingScores
from skmatch.pairs import ScoredPairs, stack_rows

_ABOVE_ONE = 1.001  # rounding makes a little more than 1 of a cosine


class Listings(NamedTuple):
    """Listings and the rows of the gallery that they are; a value, never changed."""

    gallery: Any  # None without a row
    row_numbers: NDArray[np.int64]  # (n_rows,) the number of each row, rising
    numbers: NDArray[np.int64]  # (n_listings,) the number of each listing, rising
    rows: NDArray[np.intp]  # (n_listings,) the place of its row
    products: NDArray[np.int64]  # (n_listings,)

    def of_rows(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the places of the listings of some rows."""
        return np.flatnonzero(np.isin(self.rows, rows))

    def mates(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows of all listings of the products of some rows."""
        products = np.setdiff1d(self.products[self.of_rows(rows)], [NEW])
        return np.unique(self.rows[np.isin(self.products, products)])

    def without(self, gone: NDArray[np.intp]) -> Listings:
        """Return what is left without some listings, given by their places."""
        kept = np.delete(np.arange(len(self.numbers)), gone)
        rows, places = np.unique(self.rows[kept], return_inverse=True)
        all_stay = len(rows) == len(self.row_numbers)
        return Listings(
            self.gallery if all_stay else self.gallery.at(rows),
            self.row_numbers[rows],
            self.numbers[kept],
            places,
            self.products[kept],
        )

    def group_around(
        self,
        rows: NDArray[np.intp],
        scores: GrowingScores,
        threshold: float,
        said: Answers,
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Group anew the rows whose group may be another, since some have changed.

        1. Add the products of these rows, and the rows that they match.
        2. Repeat until there is none to add: no match leads out.
        3. Group them, as people have answered.

        Returns the places of their listings, and the group of each.
        """
        while True:
            wider = np.union1d(rows, self.mates(rows))
            partners = said.partners(self.row_numbers[wider])
            wider = np.union1d(
                wider, np.flatnonzero(np.isin(self.row_numbers, partners))
            )
            graph = scores.scores(self.gallery, wider)
            is_match = graph.data >= np.float32(threshold)
            wider = np.union1d(wider, graph.indices[is_match]).astype(np.intp)
            if len(wider) == len(rows):
                break
            rows = wider
        named = self.row_numbers[rows]
        groups = group_with_answers(
            graph[rows][:, rows],
            threshold,
            said.among(named, True),
            said.among(named, False),
        )
        places = self.of_rows(rows)
        return places, groups[np.searchsorted(rows, self.rows[places])]


def name_of(title: str, fields: list[Any]) -> bytes:
    """Return a hash of a title and its fields."""
    text = repr([title, *fields])
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def pack(joined: ScoredPairs, row_numbers: NDArray[np.int64], n_known: int) -> Any:
    """Return what new rows brought along, with rows by number."""
    return {
        "rows": row_numbers[n_known:],
        "left": row_numbers[joined.left],
        "right": row_numbers[joined.right],
        "scores": joined.scores,
        "embeddings": list(joined.embeddings),
    }


def unpack(
    parts: list[dict[str, Any]], row_numbers: NDArray[np.int64]
) -> ScoredPairs | None:
    """Return what the rows that are left brought along, of all parts."""
    for part in parts:
        _check_part(part, parts[0])
    every = np.concatenate([[], *(part["rows"] for part in parts)])
    stays = np.isin(every, row_numbers)
    if not np.array_equal(every[stays], row_numbers):
        raise ValueError(
            "The parts of the catalogue have not all rows of its listings."
        )
    if not len(row_numbers):
        return None
    embeddings = [
        stack_rows(*columns)[stays]
        for columns in zip(*(part["embeddings"] for part in parts), strict=True)
    ]
    left, right = (
        np.concatenate([p[side] for p in parts]) for side in ("left", "right")
    )
    scores = np.concatenate([part["scores"] for part in parts], axis=1)
    # Of a pair that was scored again, the last score counts.
    keys = left * (every.max() + 1) + right
    _, last = np.unique(keys[::-1], return_index=True)
    kept = len(left) - 1 - last
    kept = kept[np.isin(left[kept], row_numbers) & np.isin(right[kept], row_numbers)]
    return ScoredPairs(
        embeddings,
        np.searchsorted(row_numbers, left[kept]),
        np.searchsorted(row_numbers, right[kept]),
        scores[:, kept],
    )


def _check_part(part: dict[str, Any], first: dict[str, Any]) -> None:
    """Raise if a part, of a folder that is not trusted, is not like one we write."""
    names = {"rows", "left", "right", "scores", "embeddings"}
    if set(part) != names or not isinstance(part["embeddings"], list):
        raise ValueError(f"A part of the catalogue has {sorted(part)}.")
    rows, left, right = (part[name] for name in ("rows", "left", "right"))
    scores, embeddings = part["scores"], part["embeddings"]
    is_right = all(
        isinstance(x, np.ndarray) and x.dtype == np.int64 and x.ndim == 1
        for x in (rows, left, right)
    )
    is_right = (
        is_right
        and bool(
            isinstance(scores, np.ndarray)
            and scores.dtype == np.float32
            and scores.shape == (len(first["scores"]), len(left))
            and len(left) == len(right)
            and ((left >= 0) & (left < right) & (right < 2**31)).all()
            and (abs(scores) < _ABOVE_ONE).all()  # not if one is NaN
            and ((rows >= 0) & (rows < 2**31)).all()
            and len(embeddings) == len(first["embeddings"])
            and all(
                getattr(X, "shape", ())[:1] == rows.shape
                and X.shape[1:] == Y.shape[1:]
                and issparse(X) == issparse(Y)
                for X, Y in zip(embeddings, first["embeddings"], strict=True)
            )
        )
    )
    if not is_right:
        raise ValueError("A part of the catalogue was altered: its arrays do not fit.")
