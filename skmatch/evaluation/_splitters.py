"""Cross-validation in which no product stands on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import BaseCrossValidator, GroupKFold
from sklearn.preprocessing import normalize
from sklearn.utils import check_scalar

from skmatch.evaluation._labels import encode_labels
from skmatch.evaluation._pairs import check_answers, find_products, join_sides
from skmatch.persistence import savable
from skmatch.titles import check_titles

_N_DIMENSIONS = 100  # of what the words of products are reduced to


def list_splits(
    cv: Any, X: Any, y: ArrayLike
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return the splits of a splitter; raise if there is none, or one without rows."""
    if not hasattr(cv, "split") or isinstance(cv, (str, bytes, bytearray)):
        raise ValueError(
            f"cv={cv!r}; expected a number of folds, at least 2, or a splitter such as "
            "ClassDisjointKFold."
        )
    try:
        splits = [*cv.split(X, y)]
    except ValueError as error:
        raise ValueError(f"cv={cv!r} cannot split X and y: {error}") from error
    if not splits:
        raise ValueError(f"cv={cv!r} gives no split; expected at least one.")
    for train, test in splits:
        if not len(train) or not len(test):
            raise ValueError(
                f"cv={cv!r} gives a split with {len(train)} training and {len(test)} "
                "test rows; expected at least one of each."
            )
    return splits


class _ProductKFold(BaseCrossValidator):
    """Folds of whole products."""

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(
        self, X: object = None, y: object = None, groups: object = None
    ) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X : object, default=None
            Ignored; exists for API consistency.
        y : object, default=None
            Ignored; exists for API consistency.
        groups : object, default=None
            Ignored; exists for API consistency.

        Returns
        -------
        n_splits : int
            Number of folds.
        """
        return self.n_splits

    @property
    def _folds(self) -> GroupKFold:
        """What deals groups to the folds."""
        return GroupKFold(
            self.n_splits, shuffle=self.shuffle, random_state=self.random_state
        )


@savable
class ClassDisjointKFold(_ProductKFold):
    """K-fold cross-validation that keeps every product in one fold.

    It is :class:`~sklearn.model_selection.GroupKFold` whose groups are `y`: a model is
    always scored on products that it has not seen, as it is used. Reading `y` and not
    `groups`, it also works in nested cross-validation, where scikit-learn does not pass
    `groups` on.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2 and at most the number of different labels.
    shuffle : bool, default=False
        Whether to deal the products to the folds at random. Without it, the folds have
        nearly the same number of rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling; only with ``shuffle=True``.

    See Also
    --------
    sklearn.model_selection.GroupKFold : The same with groups given beside `y`.
    rowwise_f1_scorer : The score to use with it.

    Examples
    --------
    >>> from skmatch import ClassDisjointKFold
    >>> titles = ["tea 1kg", "Tea 1 kg", "red mug", "mug red", "soap", "Soap"]
    >>> product_ids = [0, 0, 1, 1, 2, 2]
    >>> for train, test in ClassDisjointKFold(n_splits=3).split(titles, product_ids):
    ...     print(train, test)
    [0 1 2 3] [4 5]
    [0 1 4 5] [2 3]
    [2 3 4 5] [0 1]
    """

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: object = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Generate the row indices of the training and the test part of each fold.

        Parameters
        ----------
        X : array-like of length n_samples
            The titles; only their number is used.
        y : array-like of shape (n_samples,)
            Product labels, int or str. Rows with equal labels stay together.
        groups : object, default=None
            Ignored; exists for API consistency.

        Yields
        ------
        train : ndarray of shape (n_train,), dtype intp
            Row indices of the training part.
        test : ndarray of shape (n_test,), dtype intp
            Row indices of the test part.

        Raises
        ------
        ValueError
            If `y` or one of its labels is missing, `y` has fewer different labels than
            `n_splits`, or `random_state` is given without ``shuffle=True``.
        """
        if y is None:
            raise ValueError(
                "ClassDisjointKFold.split got y=None; it needs y, the product label of "
                "each row, to keep every product in one fold."
            )
        yield from self._folds.split(X, groups=encode_labels(y, "y"))


@savable
class ClusterDisjointKFold(BaseCrossValidator):
    """K-fold cross-validation whose folds are products with similar words.

    A random fold is as similar to the other folds as its titles are to one another. In
    use, titles may be of goods, and by sellers, that training has not seen. Here a fold
    is a cluster of products, and its score a more careful estimate, as a rule lower
    than that of :class:`ClassDisjointKFold`.

    The products are divided along the direction in which the TF-IDF of their words
    differs most, so that both sides have titles for the folds to come, and each side is
    divided again [1]_. The folds have as many rows each as whole products allow.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2 and at most the number of different labels.

    See Also
    --------
    ClassDisjointKFold : Folds of products at random.

    Notes
    -----
    Scores of such folds are also known as leave-one-cluster-out cross-validation [2]_.

    References
    ----------
    .. [1] D. Boley, "Principal direction divisive partitioning", Data Mining and
       Knowledge Discovery 2(4), 1998. :doi:`10.1023/A:1009740529316`
    .. [2] B. Meredig et al., "Can machine learning identify the next high-temperature
       superconductor?", Molecular Systems Design & Engineering 3, 2018.
       :doi:`10.1039/C8ME00012C`

    Examples
    --------
    >>> from skmatch import ClusterDisjointKFold
    >>> titles = ["green tea", "Tea green", "red mug", "tea", "mug red", "mug"]
    >>> product_ids = [0, 0, 1, 2, 1, 3]
    >>> for train, test in ClusterDisjointKFold(2).split(titles, product_ids):
    ...     print(train, test)
    [2 4 5] [0 1 3]
    [0 1 3] [2 4 5]
    """

    def __init__(self, n_splits: int = 5) -> None:
        self.n_splits = n_splits

    def get_n_splits(
        self, X: object = None, y: object = None, groups: object = None
    ) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X : object, default=None
            Ignored; exists for API consistency.
        y : object, default=None
            Ignored; exists for API consistency.
        groups : object, default=None
            Ignored; exists for API consistency.

        Returns
        -------
        n_splits : int
            Number of folds.
        """
        return self.n_splits

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: object = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Generate the row indices of the training and the test part of each fold.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles.
        y : array-like of shape (n_samples,)
            Product labels, int or str. Rows with equal labels stay together.
        groups : object, default=None
            Ignored; exists for API consistency.

        Yields
        ------
        train : ndarray of shape (n_train,), dtype intp
            Row indices of the training part.
        test : ndarray of shape (n_test,), dtype intp
            Row indices of the test part.

        Raises
        ------
        ValueError
            If a title, `y` or one of its labels is missing, or `y` has fewer different
            labels than `n_splits`.
        """
        if y is None:
            raise ValueError(
                "ClusterDisjointKFold.split got y=None; it needs y, the product label "
                "of each row, to keep every product in one fold."
            )
        labels = np.unique(encode_labels(y, "y"), return_inverse=True)[1]
        check_scalar(self.n_splits, "n_splits", Integral, min_val=2)
        # Not of this object, which is a splitter and no estimator.
        titles, _ = check_titles(BaseEstimator(), X, labels, reset=True)
        n_titles = np.bincount(labels)
        if len(n_titles) < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} is more than the {len(n_titles)} different "
                "labels of y."
            )
        fold = np.empty(len(n_titles), np.intp)
        _divide(
            _embed_products(titles.tolist(), labels),
            n_titles,
            np.arange(len(n_titles)),
            np.arange(self.n_splits),
            fold,
        )
        for k in range(self.n_splits):
            is_test = fold[labels] == k
            yield np.flatnonzero(~is_test), np.flatnonzero(is_test)


def _embed_products(titles: list[str], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean direction of the words of each product: (n_products, n)."""
    words = TfidfVectorizer(token_pattern=r"\S+", sublinear_tf=True)
    try:
        of_titles = words.fit_transform(titles)
    except ValueError:  # there is no word
        return np.zeros((labels.max() + 1, 1))
    if of_titles.shape[1] > _N_DIMENSIONS:
        svd = TruncatedSVD(_N_DIMENSIONS, random_state=0)
        # Of titles that are all the same, it divides by a variance of 0.
        with np.errstate(invalid="ignore"):
            of_titles = svd.fit_transform(of_titles)
    rows = np.arange(len(labels))
    of_products = csr_array((np.ones(len(labels)), (labels, rows)))
    sums = of_products @ of_titles
    return normalize(sums.toarray() if issparse(sums) else sums)


def _divide(
    products: NDArray[np.float64],
    n_titles: NDArray[np.intp],
    members: NDArray[np.intp],
    folds: NDArray[np.intp],
    fold: NDArray[np.intp],
) -> None:
    """Write the fold of each of some products, the members, into `fold`."""
    if len(folds) == 1:
        fold[members] = folds[0]
        return
    n_left = len(folds) // 2
    centred = products[members] - products[members].mean(axis=0)
    main_direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    # Its sign means nothing: the side of the first product is the left one.
    along = centred @ main_direction
    along *= -1 if along[0] > 0 else 1
    members = members[np.argsort(along, kind="stable")]
    sums = np.cumsum(n_titles[members])
    cut = int(np.argmin(np.abs(sums - sums[-1] * n_left / len(folds)))) + 1
    # Each fold needs a product.
    cut = min(max(cut, n_left), len(members) - len(folds) + n_left)
    _divide(products, n_titles, members[:cut], folds[:n_left], fold)
    _divide(products, n_titles, members[cut:], folds[n_left:], fold)


@savable
class DisjointPairsKFold(_ProductKFold):
    """K-fold cross-validation of pairs of titles with no product on both sides.

    Titles that are joined by matching pairs are one product. Each fold tests the pairs
    both of whose products are dealt to it, and trains on those neither of whose is. The
    others, between a product of the one and one of the other side, are in neither: the
    tested parts of all folds are not all pairs.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2 and at most the number of products.
    shuffle : bool, default=False
        Whether to deal the products to the folds at random.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling; only with ``shuffle=True``.

    See Also
    --------
    ClassDisjointKFold : The same for titles with product ids.

    Examples
    --------
    >>> from skmatch import DisjointPairsKFold
    >>> X = [["tea", "Tea"], ["mug", "red mug"], ["tea", "mug"]]
    >>> for train, test in DisjointPairsKFold(n_splits=2).split(X, [1, 1, 0]):
    ...     print(train, test)
    [0] [1]
    [1] [0]
    """

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: object = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Generate the indices of the training and the test pairs of each fold.

        Parameters
        ----------
        X : array-like of shape (n_pairs, 2) or (n_pairs, 2 * n_fields), or two of these
            Pairs, as of :class:`TitlePairClassifier`.
        y : array-like of shape (n_pairs,), bool, or 0 and 1
            Whether a pair is the same product.
        groups : object, default=None
            Ignored; exists for API consistency.

        Yields
        ------
        train : ndarray of shape (n_train,), dtype intp
            Indices of the training pairs.
        test : ndarray of shape (n_test,), dtype intp
            Indices of the test pairs.

        Raises
        ------
        ValueError
            If `X` is not of pairs, `y` or one of its answers is missing, there are
            fewer products than `n_splits`, or a fold has no training or no test pair.
        """
        values = np.asarray(join_sides(X), dtype=object)
        if values.ndim != 2 or values.shape[1] % 2 or not values.size:
            raise ValueError(
                f"X has shape {values.shape}; expected two titles for each pair, "
                "(n_pairs, 2), or the fields of both sides, (n_pairs, 2 * n_fields)."
            )
        if y is None:
            raise ValueError(
                "DisjointPairsKFold.split got y=None; it needs y, whether each pair is "
                "the same product, to keep every product on one side."
            )
        same = check_answers(y, "y", len(values))
        n_fields = values.shape[1] // 2
        left, right = (
            [tuple(map(str, row)) for row in side.tolist()]
            for side in (values[:, :n_fields], values[:, n_fields:])
        )
        titles, products = find_products(left, right, same)
        for _, dealt in self._folds.split(products, groups=products):
            is_dealt = np.zeros(len(products), bool)
            is_dealt[dealt] = True
            a, b = (is_dealt[side] for side in titles)
            train, test = np.flatnonzero(~a & ~b), np.flatnonzero(a & b)
            if not len(train) or not len(test):
                raise ValueError(
                    f"n_splits={self.n_splits} gives a fold with {len(train)} training "
                    f"and {len(test)} test pairs of X; expected at least one of each: "
                    "fewer folds, or others by shuffle=True."
                )
            yield train, test
