"""ProductCatalogue: listings as they come, and the products that they are."""

from __future__ import annotations

import os
from itertools import count
from numbers import Integral
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_scalar

from skmatch._numbers import check_number
from skmatch.catalogue._assignment import (
    NEW,
    Change,
    Move,
    assign_products,
    list_moves,
)
from skmatch.catalogue._input import (
    as_ids,
    as_kept,
    check_once,
    check_there,
    is_empty,
)
from skmatch.catalogue._listings import Listings, name_of, pack, unpack
from skmatch.catalogue._store import Counters, Listing, Store, Update, list_changes
from skmatch.matchers import GrowingScores, ReadTitles, make_growing
from skmatch.pairs import MOST_SCORED

Places = NDArray[np.intp]


class ProductCatalogue:
    """Keep listings and the products that they are, with ids that stay.

    Listings are added as they come. Each is scored with those that are there, and the
    listings around it are grouped anew; products keep their ids through that, and what
    has changed can be read. All is kept in a folder, which is whole at every moment: a
    program that is killed leaves it as it was before the call or after it.

    Parameters
    ----------
    folder : str or path-like
        Where the catalogue is, or is to be made.
    matcher : fitted matcher or None, default=None
        A fitted :class:`PairClassifierMatcher`, or a Pipeline of an embedder and a
        :class:`FaissThresholdMatcher`, to make a new catalogue with; it is saved there.
        Its own catalogue plays no part. None opens the one that is there.
    threshold : float or None, default=None
        Smallest mean score of the pairs of a product's listings, in ``(0, 1]``, of a
        new catalogue; larger is stricter. None is 0.5 for probabilities, and for
        similarities the threshold of the matcher.
    read_only : bool, default=False
        Whether to read alone. Any number of programs may read a catalogue while one
        writes to it; SQLite asks that they may write to the folder, too.

    Attributes
    ----------
    threshold : float
        Smallest mean score of a product, as above.
    revision : int
        Number of calls that have changed the catalogue.

    See Also
    --------
    group_matches : Products of titles that are all there at once.

    Notes
    -----
    Groups are those of :func:`group_matches` by ``"average"``. A pair keeps the
    probability that the classifiers gave it when its later title came, whatever comes
    after; what is propagated over the matches, and the groups, are always those of all
    listings. So the order in which listings come makes a small difference, which
    :meth:`regroup` takes out. Of equal rows of `X`, the first 16 are scored, and later
    ones share the scores, and so the product, of the first.

    The folder holds a SQLite database, and arrays without code in them, which take
    room for removed listings until :meth:`regroup`. A catalogue is a context: ``with
    ProductCatalogue(folder) as catalogue:`` closes it at the end. It is of the thread
    that made it; another one opens its own.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmatch import FaissThresholdMatcher, ProductCatalogue
    >>> titles = ["Maling Ham Pork 397gr", "Maling TTS Canned Pork 397 gr", "Tea"]
    >>> tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    >>> matcher = make_pipeline(tfidf, FaissThresholdMatcher(0.3)).fit(titles)
    >>> with TemporaryDirectory() as folder:
    ...     with ProductCatalogue(folder, matcher) as catalogue:
    ...         catalogue.add(titles[:2], ["a", "b"])
    ...         catalogue.add(["TEA", "Tea 100 g"], ["c", "d"])
    ...         catalogue.remove(["a"])
    ...         catalogue.products()
    ...         [change.kind for change in catalogue.changes(since=1)]
    array([0, 0])
    array([1, 1])
    {0: ['b'], 1: ['c', 'd']}
    ['created', 'removed']
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        matcher: Any = None,
        *,
        threshold: float | None = None,
        read_only: bool = False,
    ) -> None:
        path = Path(folder)
        check_scalar(read_only, "read_only", (bool, np.bool_))
        if Store.exists(path):
            if matcher is not None or threshold is not None:
                raise ValueError(
                    f"folder={str(folder)!r} has a catalogue, with its own matcher and "
                    "threshold; expected matcher=None and threshold=None to open it."
                )
        elif matcher is None or read_only:
            raise FileNotFoundError(
                f"folder={str(folder)!r} has no catalogue; expected one, or a fitted "
                "matcher to make it with."
            )
        else:
            scores = make_growing(matcher)
            threshold = scores.threshold if threshold is None else threshold
            check_number(
                threshold, "threshold", min_val=0, max_val=1, include_boundaries="right"
            )
            Store.create(path, matcher, {"threshold": float(threshold)})
        self._store = Store(path, writes=not read_only)
        self._read_only = read_only
        self._loaded: tuple[GrowingScores, Listings] | None = None
        self.threshold: float = self._store.setting("threshold")

    @property
    def revision(self) -> int:
        """Number of calls that have changed the catalogue."""
        return self._store.counters().revision

    def add(self, X: Any, listing_ids: Any = None) -> NDArray[np.int64]:
        """Add listings.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles, as the matcher takes them.
        listing_ids : sequence of str or int of shape (n_samples,) or None, default=None
            The id of each listing; none may be there already. None is the number of
            listings that were ever added before it.

        Returns
        -------
        products : ndarray of shape (n_samples,), dtype int64
            The product of each listing: a new id, or that of listings that match it.

        Raises
        ------
        ValueError
            If a title is missing, a listing id is none or is there already, or the
            catalogue is open to read alone. Nothing has changed then.
        """
        scores, known = self._open_to_write()
        if is_empty(X):
            self._check_new(listing_ids, np.empty(0, np.int64))
            return np.empty(0, np.int64)
        read = as_kept(scores.read(X))
        counters = self._store.counters()
        numbers = counters.listing + np.arange(len(read.titles))
        ids = self._check_new(listing_ids, numbers)
        added = self._deal_rows(read, ids, numbers, counters)
        own_rows = np.array([listing.row for listing in added])
        _, first = np.unique(own_rows, return_index=True)
        is_scored = np.isin(np.arange(len(added)), first) & (own_rows >= counters.row)
        n_known = len(known.row_numbers)
        row_numbers = np.concatenate([known.row_numbers, own_rows[is_scored]])
        gallery, part, touched = known.gallery, None, np.empty(0, np.intp)
        if is_scored.any():
            new = ReadTitles(read.titles[is_scored], read.fields[is_scored])
            gallery, joined = scores.grow(gallery, new)
            part = pack(joined, row_numbers, n_known)
            touched = scores.touched(known.gallery, gallery, joined)
        listings = Listings(
            gallery,
            row_numbers,
            np.concatenate([known.numbers, numbers]),
            np.concatenate([known.rows, np.searchsorted(row_numbers, own_rows)]),
            np.concatenate([known.products, np.full(len(numbers), NEW)]),
        )
        new_rows = listings.rows[len(known.rows) :]
        rows = np.union1d(new_rows, touched)
        counters = counters._replace(
            listing=counters.listing + len(numbers),
            row=counters.row + int(is_scored.sum()),
            part=counters.part + (part is not None),
        )
        self._settle(listings, rows, Update(counters, added, part=part))
        return self._listings().products[len(known.numbers) :]

    def remove(self, listing_ids: Any) -> None:
        """Remove listings; the products of those that matched them are found anew.

        What :meth:`merge` and :meth:`split` said of them goes with them.

        Parameters
        ----------
        listing_ids : sequence of str or int of shape (n_removed,)
            Ids of listings, each once.

        Raises
        ------
        ValueError
            If there is no such listing, or an id comes twice. Nothing has changed then.
        """
        scores, known = self._open_to_write()
        ids = as_ids(listing_ids, "listing_ids")
        numbers = self._numbers_of(ids)
        if not len(numbers):
            return
        places = np.searchsorted(known.numbers, numbers)
        own_rows = np.unique(known.rows[places])
        beside = np.union1d(scores.near(known.gallery, own_rows), known.mates(own_rows))
        left = known.without(places)
        said = self._store.answers()
        gone = np.setdiff1d(known.row_numbers, left.row_numbers).tolist()
        for row in said.rows().intersection(gone):
            said = said.without(row)
        counters = self._store.counters()
        changes = _list_removed(known.products[places], ids, left, counters)
        still = np.isin(left.row_numbers, known.row_numbers[beside])
        update = Update(
            counters, removed=numbers.tolist(), changes=changes, answers=said
        )
        self._settle(left, np.flatnonzero(still), update)

    def load(self) -> None:
        """Read the folder into memory, which the first change otherwise does.

        Only what changes the catalogue needs it; to read products and changes is done
        in the folder.
        """
        self._open_to_write()

    def products(self) -> dict[int, list[Any]]:
        """Return the listing ids of each product, both in the order of coming."""
        return self._store.products()

    def find(self, listing_ids: Any) -> NDArray[np.int64]:
        """Return the product of listings.

        Parameters
        ----------
        listing_ids : sequence of str or int of shape (n_listings,)
            Ids of listings.

        Returns
        -------
        products : ndarray of shape (n_listings,), dtype int64
            The product of each.

        Raises
        ------
        ValueError
            If there is no such listing.
        """
        ids = as_ids(listing_ids, "listing_ids")
        products = self._store.products_of(ids)
        check_there(ids, products)
        return np.array(products, np.int64)

    def changes(self, since: int = 0) -> list[Change]:
        """Return what has happened to products.

        Parameters
        ----------
        since : int, default=0
            A `revision`, which you have seen.

        Returns
        -------
        changes : list of Change
            What happened after it, in that order; see :class:`Change`.
        """
        check_scalar(since, "since", Integral, min_val=0, max_val=2**62)
        return self._store.changes(int(since))

    def merge(self, products: Any) -> int:
        """Say that products are the same one.

        It binds these listings while they are there; a new one is placed by its scores.
        If all listings of one of the products are removed, nothing of it is left.

        Parameters
        ----------
        products : sequence of int of shape (n_products,)
            At least two product ids.

        Returns
        -------
        product : int
            The first of them, which all their listings now are. What was said before
            to part these listings holds no more.

        Raises
        ------
        ValueError
            If there is no such product, or an id comes twice.
        """
        _, known = self._open_to_write()
        ids = as_ids(products, "products")
        if len(ids) < 2 or len(set(ids)) < len(ids):
            raise ValueError(f"products={ids}; expected two different ones, or more.")
        for product in ids:
            if product not in known.products:
                raise ValueError(
                    f"products holds {product!r}, which is no product, or is one no "
                    "more: changes() tells what became of it."
                )
        rows = np.unique(known.rows[np.isin(known.products, ids)])
        said = self._store.answers().say_same(known.row_numbers[rows].tolist())
        as_first = np.where(np.isin(known.products, ids), ids[0], known.products)
        update = Update(self._store.counters(), answers=said)
        self._settle(known, rows, update, before=as_first)
        return int(ids[0])

    def split(self, listing_ids: Any) -> int:
        """Say that listings are one product, and the others of theirs are not it.

        It binds what comes later.

        Parameters
        ----------
        listing_ids : sequence of str or int of shape (n_listings,)
            Ids of some, but not all, listings of one product.

        Returns
        -------
        product : int
            The product that they are now: a new one, or another one that they match.

        Raises
        ------
        ValueError
            If there is no such listing, they are of several products or all of one, or
            listings on both sides share their scores, as later ones of 16 equal rows.
        """
        _, known = self._open_to_write()
        ids = as_ids(listing_ids, "listing_ids")
        places = np.searchsorted(known.numbers, self._numbers_of(ids))
        own = np.unique(known.products[places])
        if not ids:
            raise ValueError("listing_ids=[]; expected some listings of one product.")
        if len(own) != 1:
            raise ValueError(
                f"listing_ids are of the products {own.tolist()}; expected one product."
            )
        others = np.setdiff1d(np.flatnonzero(known.products == own[0]), places)
        if not len(others):
            raise ValueError(
                f"listing_ids holds all listings of product {own[0]}; expected some."
            )
        rows, other_rows = np.unique(known.rows[places]), np.unique(known.rows[others])
        if np.intersect1d(rows, other_rows).size:
            shared = places[np.isin(known.rows[places], other_rows)][0]
            (listing,) = self._store.ids_of([int(known.numbers[shared])])
            raise ValueError(
                f"listing_ids holds {listing!r}, which shares its scores with others "
                f"of the same title, as it was there {MOST_SCORED} times before; "
                "expected all of these or none."
            )
        named = known.row_numbers
        said = self._store.answers().say_apart(
            named[rows].tolist(), named[other_rows].tolist()
        )
        before = known.products.copy()
        before[places] = NEW
        update = Update(self._store.counters(), answers=said)
        self._settle(known, np.union1d(rows, other_rows), update, before=before)
        return int(self._listings().products[places[0]])

    def regroup(self) -> None:
        """Score all listings again, as if they had come at once, and group them anew.

        Products keep their ids as ever. It takes as long as to add all listings to a
        new catalogue.
        """
        scores, known = self._open_to_write()
        counters = self._store.counters()
        if not len(known.numbers):
            return
        read = self._read_rows()
        gallery, joined = scores.grow(None, read)
        part = pack(joined, known.row_numbers, 0)
        counters = counters._replace(part=counters.part + 1)
        update = Update(counters, part=part, replaces_parts=True)
        rows = np.arange(len(known.row_numbers))
        self._settle(known._replace(gallery=gallery), rows, update)

    def close(self) -> None:
        """Let another program write. The catalogue cannot be used after it."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ProductCatalogue({str(self._store.folder)!r})"

    def _open_to_write(self) -> tuple[GrowingScores, Listings]:
        """Return the matcher and the listings; raise if they may not be changed."""
        if self._read_only:
            raise ValueError("read_only=True; expected False to change a catalogue.")
        if self._loaded is None:
            scores = make_growing(self._store.load_matcher())
            self._loaded = scores, self._load(scores)
        return self._loaded

    def _load(self, scores: GrowingScores) -> Listings:
        numbers, rows, products = self._store.arrays()
        row_numbers, places = np.unique(rows, return_inverse=True)
        joined = unpack(list(self._store.parts()), row_numbers)
        gallery = None
        if joined is not None:
            gallery = scores.join(None, self._read_rows(), joined)
        return Listings(gallery, row_numbers, numbers, places, products)

    def _listings(self) -> Listings:
        return self._open_to_write()[1]

    def _read_rows(self) -> ReadTitles:
        """Return the titles of all rows."""
        titles, fields = self._store.titles_of_rows()
        of_all = np.empty((len(titles), len(fields[0])), dtype=object)
        of_all[:] = fields
        is_title = of_all.shape[1] == 1
        return ReadTitles(
            np.array(titles, object), of_all[:, 0] if is_title else of_all
        )

    def _check_new(self, listing_ids: Any, numbers: NDArray[np.int64]) -> list[Any]:
        """Return the ids of new listings; raise if one is there."""
        if listing_ids is None:
            ids: list[Any] = numbers.tolist()
        else:
            ids = as_ids(listing_ids, "listing_ids")
        if len(ids) != len(numbers):
            raise ValueError(
                f"listing_ids has {len(ids)} ids and X {len(numbers)} rows; expected "
                "as many."
            )
        check_once(ids, "listing_ids")
        for listing_id, number in zip(ids, self._store.numbers_of(ids), strict=True):
            if number is not None:
                given = "would give" if listing_ids is None else "holds"
                raise ValueError(
                    f"listing_ids {given} {listing_id!r}, which is in the catalogue; "
                    "expected another id. To replace a listing, remove it first."
                )
        return ids

    def _deal_rows(
        self,
        read: ReadTitles,
        ids: list[Any],
        numbers: NDArray[np.int64],
        counters: Counters,
    ) -> list[Listing]:
        """Return new listings, each with a row of its own or that of its like."""
        rows_named: dict[bytes, list[int]] = {}
        next_row = count(counters.row)
        added = []
        for number, listing_id, title, row_fields in zip(
            numbers.tolist(), ids, read.titles, read.fields.tolist(), strict=True
        ):
            fields = row_fields if isinstance(row_fields, list) else [row_fields]
            name = name_of(title, fields)
            if name not in rows_named:
                rows_named[name] = self._store.rows_named(name)
            rows = rows_named[name]
            if len(rows) < MOST_SCORED:
                row = next(next_row)
                rows.append(row)
            else:
                row = rows[0]
            added.append(Listing(number, listing_id, title, fields, name, row, NEW))
        return added

    def _settle(
        self,
        listings: Listings,
        rows: Places,
        update: Update,
        before: NDArray[np.int64] | None = None,
    ) -> None:
        """Group the listings around some rows anew, write all, and have it in memory.

        `before` are the products that decide about ids, if these are others than what
        they are.
        """
        scores, _ = self._open_to_write()
        counters, products = update.counters, listings.products.copy()
        said = self._store.answers() if update.answers is None else update.answers
        moves, places = [], np.empty(0, np.intp)
        if len(rows):
            places, groups = listings.group_around(rows, scores, self.threshold, said)
            own = products[places] if before is None else before[places]
            after = assign_products(own, groups, counters.product)
            moves = list_moves(products[places], after, counters.product)
            products[places] = after
        listings = listings._replace(products=products)
        counters = counters._replace(
            revision=counters.revision + 1,
            product=max(counters.product, int(products.max(initial=-1)) + 1),
        )
        moves = [move._replace(places=places[move.places]) for move in moves]
        update = self._with_moves(update._replace(counters=counters), listings, moves)
        self._loaded = None  # if this is interrupted, it is read from the folder again
        self._store.write(update)
        self._loaded = scores, listings

    def _with_moves(
        self, update: Update, listings: Listings, moves: list[Move]
    ) -> Update:
        """Add to an update what has become of the listings that have moved."""
        every = [np.empty(0, np.intp), *(move.places for move in moves)]
        moved = np.concatenate(every)
        numbers = listings.numbers[moved].tolist()
        product_of = dict(zip(numbers, listings.products[moved].tolist(), strict=True))
        ids = {listing.number: listing.id for listing in update.added}
        old = [number for number in numbers if number not in ids]
        ids |= dict(zip(old, self._store.ids_of(old), strict=True))
        revision = update.counters.revision
        return update._replace(
            added=[
                row._replace(product=product_of[row.number]) for row in update.added
            ],
            products=[(product_of[number], number) for number in old],
            changes=[
                *update.changes,
                *list_changes(moves, listings.numbers, revision, ids),
            ],
        )

    def _numbers_of(self, ids: list[Any]) -> NDArray[np.int64]:
        """Return the numbers of listings; raise if one is not there, or twice."""
        check_once(ids, "listing_ids")
        numbers = self._store.numbers_of(ids)
        check_there(ids, numbers)
        return np.array(numbers, np.int64)


def _list_removed(
    products: NDArray[np.int64],
    ids: list[Any],
    left: Listings,
    counters: Counters,
) -> list[Change]:
    """Return what the removal of listings is for their products."""
    changes = []
    revision = counters.revision + 1
    remaining = set(left.products.tolist())
    of_product: dict[int, list[Any]] = {}
    for product, listing_id in zip(products.tolist(), ids, strict=True):
        of_product.setdefault(product, []).append(listing_id)
    for product, own in sorted(of_product.items()):
        changes.append(Change(revision, "removed", product, None, own))
        if product not in remaining:
            changes.append(Change(revision, "ended", product, None, []))
    return changes
