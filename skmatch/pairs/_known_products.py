"""What known products say of a pair: whether both titles are like those of one of them.

Titles that were judged to match are a known product. Two new titles may have little in
common, and each much with a title of the same known product.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.pairs._context import PairIndices
from skmatch.persistence import savable

NAMES = ["known_min", "known_sum", "known_same"]
_NONE = np.empty(0, dtype=object)


@savable
class KnownProducts(NamedTuple):
    """Rows that were judged, and the product of each."""

    names: NDArray[np.object_]  # (n_rows,), what the rows say
    products: NDArray[np.intp]  # (n_rows,)

    @classmethod
    def of(cls, fields: NDArray[np.object_], labels: NDArray[np.intp]) -> KnownProducts:
        """Keep the rows whose product has two rows or more."""
        n_rows = np.bincount(labels)
        is_known = n_rows[labels] > 1
        return cls(_name_rows(fields[is_known]), labels[is_known])

    def find(
        self, fields: NDArray[np.object_], without: NDArray[np.object_] = _NONE
    ) -> NDArray[np.intp]:
        """Return the product of each row; -1 where it is not known, or left out."""
        known = dict(zip(self.names.tolist(), self.products.tolist(), strict=True))
        known |= dict.fromkeys(_name_rows(without).tolist(), -1)
        found = [known.get(name, -1) for name in _name_rows(fields).tolist()]
        return np.array(found, np.intp)


def compare_with_known(
    scores: csr_array,
    pairs: PairIndices,
    products: NDArray[np.intp],
    *,
    hides_own: bool = False,
    is_among: bool = True,
) -> NDArray[np.float32]:
    """Return for each pair what the known products say: (n_pairs, 3).

    A row is as much like a product as its best score with one of the product's titles,
    the other row of the pair left out. Of the products that both rows are like: the
    largest smaller likeness, and the sum of the products of both; and whether the same
    product is the most like to both. If a pair `hides_own`, it is compared as if the
    products of its own rows were not known. The scores are with rows that have these
    products; the rows of the pairs are among them, or not.
    """
    shape = n_pairs, n_products = len(pairs.left), int(products.max(initial=-1)) + 1
    likeness = []
    for own, other in (pairs, pairs[::-1]):
        near = scores[own]
        pair = np.repeat(np.arange(n_pairs), np.diff(near.indptr))
        product = products[near.indices]
        is_kept = (product >= 0) & (near.data > 0)
        if is_among:
            is_kept &= near.indices != other[pair]
        for rows in pairs if hides_own else ():
            is_kept &= product != products[rows][pair]
        likeness.append(
            _largest(pair[is_kept], product[is_kept], near.data[is_kept], shape)
        )
    left, right = likeness
    smaller = left.minimum(right)
    most = np.zeros((n_pairs, 2))
    best = np.full((n_pairs, 2), -1)
    for side, of_side in enumerate(likeness):
        if n_products:
            most[:, side] = of_side.max(axis=1).toarray().ravel()
            best[:, side] = np.asarray(of_side.argmax(axis=1)).ravel()
    same = (best[:, 0] == best[:, 1]) & (most.min(axis=1) > 0)
    largest = smaller.max(axis=1).toarray().ravel() if n_products else most[:, 0]
    total = np.asarray(left.multiply(right).sum(axis=1)).ravel()
    return np.column_stack([largest, total, same]).astype(np.float32)


def _largest(
    pair: NDArray[np.intp],
    product: NDArray[np.intp],
    values: NDArray[np.float32],
    shape: tuple[int, int],
) -> csr_array:
    """Return the largest value of each pair and product."""
    key = pair * shape[1] + product
    order = np.lexsort((values, key))
    is_last = np.ones(len(key), dtype=bool)
    is_last[:-1] = np.diff(key[order]) != 0
    kept = order[is_last]
    return csr_array((values[kept], (pair[kept], product[kept])), shape=shape)


def _name_rows(fields: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return what each row says."""
    names = np.empty(len(fields), dtype=object)
    names[:] = [_name(row) for row in fields.tolist()]
    return names


def _name(row: Any) -> str:
    return repr([*map(str, row)]) if isinstance(row, list) else str(row)
