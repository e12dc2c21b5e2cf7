"""Product ids that stay: groups of listings get the ids that most of them have."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NEW = -1  # the product of a listing that has none yet


class Change(NamedTuple):
    """What happened to a product.

    ``revision`` is the number of the call, from 1. By ``kind``:

    - "created": `product` is new, and `listings` are its first ones;
    - "joined": new `listings` are of `product`;
    - "split": `listings` left `product`, to be the new product `other`;
    - "moved": `listings` left `product` for `other`, which was there;
    - "merged": the same, and `product` is no more: no listing is left in it;
    - "removed": `listings` of `product` are gone;
    - "ended": the last listing of `product` was removed.

    ``listings`` are listing ids. `other` is None where there is none.
    """

    revision: int
    kind: str
    product: int
    other: int | None
    listings: list[Any]


class Move(NamedTuple):
    """Listings whose product has changed, by their places."""

    kind: str
    product: int
    other: int | None
    places: NDArray[np.intp]


def assign_products(
    before: NDArray[np.int64], groups: NDArray[np.int64], next_product: int
) -> NDArray[np.int64]:
    """Return a product id for each listing, the same for those of a group.

    1. Of all pairs of a group and a product, those with the most listings come first;
       of as many, the older product, then the group whose first listing comes first.
    2. A group that has no id yet takes that of the product, if no group has it yet.
    3. Groups that are left without one have new ids, in the order of their first
       listing.

    `before` are the products of the listings, -1 for none, and `groups` their groups.
    """
    _, first, groups = np.unique(groups, return_index=True, return_inverse=True)
    has_product = before != NEW
    pairs, n_common = np.unique(
        np.column_stack([groups, before])[has_product], axis=0, return_counts=True
    )
    order = np.lexsort((first[pairs[:, 0]], pairs[:, 1], -n_common))
    of_group = np.full(len(first), NEW, np.int64)
    taken = set()
    for group, product in pairs[order].tolist():
        if of_group[group] == NEW and product not in taken:
            of_group[group] = product
            taken.add(product)
    left = np.flatnonzero(of_group == NEW)
    left = left[np.argsort(first[left])]
    of_group[left] = next_product + np.arange(len(left))
    return of_group[groups]


def list_moves(
    before: NDArray[np.int64], after: NDArray[np.int64], next_product: int
) -> list[Move]:
    """Tell what has changed; all listings of the products are there."""
    moves = []
    places = np.flatnonzero(before != after)
    pairs, pair_of = np.unique(
        np.column_stack([before, after])[places], axis=0, return_inverse=True
    )
    order = np.argsort(pair_of.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(pair_of.ravel(), minlength=len(pairs)))
    remaining = set(after.tolist())
    of_pair = np.split(places[order], ends[:-1])
    for (product, other), own in zip(pairs.tolist(), of_pair, strict=False):
        is_new = other >= next_product
        if product == NEW:
            moves.append(Move("created" if is_new else "joined", other, None, own))
        elif product not in remaining:
            moves.append(Move("merged", product, other, own))
        else:
            moves.append(Move("split" if is_new else "moved", product, other, own))
    return moves
