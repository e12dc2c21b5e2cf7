"""What all title embedders share: the fit, the embedding of titles, the checks."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_scalar
from sklearn.utils.validation import check_is_fitted

from skmatch._fitting import fitting
from skmatch._progress import showing_progress
from skmatch.embedders._device import find_device
from skmatch.embedders._network_estimator import NetworkEstimator
from skmatch.evaluation import as_labels, encode_labels
from skmatch.titles import check_titles, distinct

if TYPE_CHECKING:
    from torch import nn

    from skmatch.embedders._batches import TitleBatches

# torch and pytorch-metric-learning take seconds to import: only when they are used.

_LARGEST_SIZE = 2**20  # what is wider would take terabytes


class TitleEmbedder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, NetworkEstimator
):
    """Base of the title embedders: a subclass makes a module, and batches of titles.

    It has the parameters that all share, and two methods: `_start` makes the module
    that is trained, `_read` turns texts into batches for it.
    """

    def fit(self, X: Any, y: ArrayLike | None = None) -> Self:
        """Learn to put the titles of a product together and those of others apart.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, n_fields)
            Titles, of type str. The fields (columns) of a 2-D array or a DataFrame
            become str and are joined by a space. An empty title is legal.
        y : array-like of shape (n_samples,)
            Product labels, int or str. None where nothing is trained.

        Returns
        -------
        self : object
            The fitted embedder.

        Raises
        ------
        ValueError
            If a parameter is out of its range, a title is None or NaN (the row is
            named), `y` has fewer than two labels or no label has two titles, or the
            loss does not stay finite.
        """
        with fitting(self) as fitted:
            fitted._fit(X, y)
        return self

    def _fit(self, X: Any, y: ArrayLike | None) -> None:
        """Fit an estimator that has nothing but its parameters."""
        self._check_params()
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None: the product label of each title."
            )
        if getattr(y, "ndim", 1) == 1:
            encode_labels(y, "y")  # scikit-learn would make str of what is missing
            y = as_labels(y)
        titles, y = check_titles(self, X, y, reset=True)
        labels = _check_labels(y)

        from skmatch.embedders._losses import Objective, make_loss, make_miner
        from skmatch.embedders._training import ClassBatches, train
        from skmatch.embedders._validation import Validation, draw_validation

        run = self._begin(titles.tolist(), labels)
        settings, generator = run.settings, run.generator
        validates = draw_validation(labels, self.validation_fraction, generator)
        classes, train_labels = np.unique(labels[~validates], return_inverse=True)
        with self._reports(run, len(train_labels)) as reports:
            loss = make_loss(self.loss, len(classes), int(self.embedding_dim))
            objective = Objective(loss, make_miner(self.miner))
            texts, text_of_row = distinct(titles)
            module, batches = self._start(texts, run.seed)
            train_titles = batches.select(text_of_row[~validates])
            validate = None
            if validates.any():
                others = batches.select(text_of_row[validates])
                validate = Validation(
                    module, others, labels[validates], settings.device, settings.dtype
                )
            history, best_epoch = train(
                module,
                train_titles,
                train_labels,
                ClassBatches(train_labels, settings.batch_size, generator),
                objective,
                settings,
                generator,
                validate=validate,
                **reports,
            )
        _warn_of_empty_batches(history, settings.count_batches(len(train_labels)))
        _warn_of_collapse(module, train_titles)
        self.module_ = module
        self.history_, self.best_epoch_ = history, best_epoch
        run.finish()

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed titles.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, n_fields)
            Titles, as in :meth:`fit`.

        Returns
        -------
        embeddings : ndarray of shape (n_samples, embedding_dim), dtype float32
            Rows of unit L2 norm. A row depends on its own title only, and titles that
            differ in nothing but case and spaces have the same one.

        Raises
        ------
        ValueError
            If a title is None or NaN (the row is named) or the number of fields is
            another than in :meth:`fit`.
        """
        check_is_fitted(self)
        titles, _ = check_titles(self, X, reset=False)

        from skmatch.embedders._training import embed

        module, device, dtype = self._prepare()
        texts, text_of_row = distinct(titles)
        with showing_progress(self.verbose):
            embeddings = embed(module, self._read(texts), device, dtype)
        return embeddings[text_of_row]

    @abstractmethod
    def _start(self, texts: list[str], seed: int) -> tuple[nn.Module, TitleBatches]:
        """Learn from distinct texts what is not trained, and keep it.

        Returns the module to train and the texts as batches for it, a row for each.
        """

    @abstractmethod
    def _read(self, texts: list[str]) -> TitleBatches:
        """Return distinct texts as batches for the fitted module, a row for each."""

    def _check_params(self) -> None:
        """Raise if a parameter that all embedders share is out of its range."""
        super()._check_params()
        check_scalar(
            self.embedding_dim,
            "embedding_dim",
            Integral,
            min_val=1,
            max_val=_LARGEST_SIZE,
        )

    @property
    def _n_features_out(self) -> int:
        """Number of columns of the embeddings, as scikit-learn asks for it."""
        project: Any = self.module_.project
        return project.out_features

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _check_labels(y: Any) -> NDArray[np.int64]:
    """Return the labels as 0, 1, ...; raise if they cannot train, warn if few can."""
    labels = encode_labels(y, "y")
    n_rows = np.bincount(labels)
    if len(n_rows) < 2:
        raise ValueError(
            f"y has 1 class, {np.asarray(y).tolist()[0]!r}; expected at least two "
            "product labels."
        )
    n_single = int((n_rows == 1).sum())
    if n_single == len(n_rows):
        raise ValueError(
            f"Each of the {len(n_rows)} labels of y has one title (n_samples = "
            f"{len(labels)}); expected a label with two titles or more."
        )
    if n_single:
        warnings.warn(
            f"{n_single} of the {len(n_rows)} labels of y have a single title: they "
            "show the embedder what differs, but not what is the same.",
            UserWarning,
            stacklevel=4,
        )
    return labels


def _warn_of_empty_batches(history: list[dict[str, float]], n_per_epoch: int) -> None:
    """Warn if many batches taught nothing."""
    n_batches = n_per_epoch * len(history)
    n_empty = sum(row["empty_batches"] for row in history)
    if n_empty > n_batches / 10:
        warnings.warn(
            f"{n_empty:.0f} of {n_batches} batches had no triplet with a non-zero "
            "loss and taught nothing; try another loss, miner or batch_size.",
            UserWarning,
            stacklevel=4,
        )


def _warn_of_collapse(module: nn.Module, titles: TitleBatches) -> None:
    """Warn if the embeddings of all titles are nearly the same."""
    from skmatch.embedders._training import embed

    n_drawn = min(1000, len(titles))
    drawn = titles.select(np.arange(n_drawn))
    embeddings = embed(module, drawn, find_device("cpu"))
    mean_cosine = (embeddings.sum(axis=0) ** 2).sum() / n_drawn**2
    if mean_cosine > 0.95:
        warnings.warn(
            f"The embeddings have collapsed: the mean cosine similarity of two "
            f"titles is {mean_cosine:.3f}. Try another loss or miner, a smaller "
            "learning_rate, or larger batches.",
            UserWarning,
            stacklevel=4,
        )
