"""The listings of a catalogue and the scores of their titles, in memory.

Listings of the same title and fields share a row of the gallery from the seventeenth
on: it is scored once for all of them.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.catalogue._answers import Answers
from skmatch.catalogue._assignment import NEW
from skmatch.graph import group_with_answers
from skmatch.matchers import GrowingScores
from skmatch.pairs import ScoredPairs, stack_rows


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

    def regroup(
        self, scores: GrowingScores, least: float, rows: NDArray[np.intp], said: Answers
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
            is_match = graph.data >= np.float32(least)
            wider = np.union1d(wider, graph.indices[is_match]).astype(np.intp)
            if len(wider) == len(rows):
                break
            rows = wider
        named = self.row_numbers[rows]
        groups = group_with_answers(
            graph[rows][:, rows],
            least,
            said.among(named, True),
            said.among(named, False),
        )
        places = self.of_rows(rows)
        return places, groups[np.searchsorted(rows, self.rows[places])]


def name_of(title: str, fields: list[Any]) -> bytes:
    """Return a hash of a title, whatever its case and spaces, and of its fields."""
    besides = fields if len(fields) > 1 else []
    text = "\0".join([" ".join(title.lower().split()), *map(repr, besides)])
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
    if not len(row_numbers):
        return None
    every = np.concatenate([[], *(part["rows"] for part in parts)])
    stays = np.isin(every, row_numbers)
    if not np.array_equal(every[stays], row_numbers):
        raise ValueError(
            "The parts of the catalogue have not all rows of its listings."
        )
    embeddings = parts[0]["embeddings"]
    for part in parts[1:]:
        both = zip(embeddings, part["embeddings"], strict=True)
        embeddings = [stack_rows(X, Y) for X, Y in both]
    left, right = (
        np.concatenate([p[side] for p in parts]) for side in ("left", "right")
    )
    scores = np.concatenate([part["scores"] for part in parts], axis=1)
    # Of a pair that was scored again, the last score counts.
    keys = left * (row_numbers[-1] + 1) + right
    _, last = np.unique(keys[::-1], return_index=True)
    kept = len(left) - 1 - last
    kept = kept[np.isin(left[kept], row_numbers) & np.isin(right[kept], row_numbers)]
    return ScoredPairs(
        [X[stays] for X in embeddings],
        np.searchsorted(row_numbers, left[kept]),
        np.searchsorted(row_numbers, right[kept]),
        scores[:, kept],
    )
