"""What all title embedders share: the fit, the embedding of titles, the checks."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from copy import deepcopy
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skmatch._fitting import fitting
from skmatch._numbers import check_number
from skmatch.embedders._device import find_device, seeded
from skmatch.embedders._progress import show_progress
from skmatch.evaluation import as_labels, encode_labels
from skmatch.persistence import Checkpoint
from skmatch.titles import check_titles, distinct

if TYPE_CHECKING:
    import torch
    from torch import nn

    from skmatch.embedders._batches import TitleBatches
    from skmatch.embedders._training import TrainingSettings

# torch and pytorch-metric-learning take seconds to import: only when they are used.

_LARGEST_SIZE = 2**20  # what is wider would take terabytes
_LARGEST_COUNT = 2**31


class TitleEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of the title embedders: a subclass makes a module, and batches of titles.

    It has the parameters that all share, and two methods: `_start` makes the module
    that is trained, `_read` turns texts into batches for it.
    """

    # Of the training; a subclass may make parameters of them.
    warm_up = 0.3
    weight_decay = 0.0
    cache_gradients = False

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Learn to put the titles of a product together and those of others apart.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, n_fields)
            Titles, of type str. The fields (columns) of a 2-D array or a DataFrame
            become str and are joined by a space. An empty title is legal.
        y : array-like of shape (n_samples,)
            Product labels, int or str.

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

    def _fit(self, X: Any, y: ArrayLike) -> None:
        """Fit an estimator that has nothing but its parameters."""
        self._check_params()
        if y is not None and getattr(y, "ndim", 1) == 1:
            encode_labels(y, "y")  # scikit-learn would make str of what is missing
            y = as_labels(y)
        titles, y = check_titles(self, X, y, reset=True)
        labels = _check_labels(y)

        import torch

        from skmatch.embedders._losses import Objective, make_loss, make_miner
        from skmatch.embedders._training import train
        from skmatch.embedders._validation import Validation, draw_validation

        device = find_device(self.device)
        settings = self._training_settings(device)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        start_from = on_state = None
        checkpoint = self._find_checkpoint(titles, labels)
        if checkpoint is not None:
            start_from = checkpoint.load()
            seed = seed if start_from is None else int(start_from["seed"])
            on_state = partial(_keep_state, checkpoint, seed)
        generator = torch.Generator().manual_seed(seed)
        validates = draw_validation(labels, self.validation_fraction, generator)
        classes, train_labels = np.unique(labels[~validates], return_inverse=True)
        n_batches = settings.count_batches(len(train_labels))
        total = self.n_epochs * n_batches
        with (
            seeded(device, seed),
            show_progress(total, self.verbose, self.log_dir) as (on_batch, on_epoch),
        ):
            loss = make_loss(self.loss, len(classes), int(self.embedding_dim))
            objective = Objective(loss, make_miner(self.miner))
            texts, text_of_row = distinct(titles)
            module, batches = self._start(texts, seed)
            train_titles = batches.select(text_of_row[~validates])
            validate = None
            if validates.any():
                others = batches.select(text_of_row[validates])
                validate = Validation(
                    module, others, labels[validates], device, settings.dtype
                )
            history, best_epoch = train(
                module,
                train_titles,
                train_labels,
                objective,
                settings,
                generator,
                validate=validate,
                on_batch=on_batch,
                on_epoch=on_epoch,
                start_from=start_from,
                on_state=on_state,
            )
        _warn_of_empty_batches(history, n_batches)
        _warn_of_collapse(module, train_titles)
        self.module_ = module
        self.history_, self.best_epoch_ = history, best_epoch
        if checkpoint is not None:
            checkpoint.delete()

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
        return embed(module, self._read(texts), device, dtype)[text_of_row]

    @abstractmethod
    def _start(self, texts: list[str], seed: int) -> tuple[nn.Module, TitleBatches]:
        """Learn from distinct texts what is not trained, and keep it.

        Returns the module to train and the texts as batches for it, a row for each.
        """

    @abstractmethod
    def _read(self, texts: list[str]) -> TitleBatches:
        """Return distinct texts as batches for the fitted module, a row for each."""

    @abstractmethod
    def _pack(self) -> dict[str, Any]:
        """Return the module as weights and what else it takes to make it again."""

    @abstractmethod
    def _unpack(self, packed: dict[str, Any]) -> nn.Module:
        """Make the module of what `_pack` returned."""

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "module_" in state:
            state["module_"] = self._pack()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "module_" in state:
            self.module_ = self._unpack(state["module_"]).eval()

    def _state_to_save(self) -> dict[str, Any]:
        """Return what :func:`skmatch.save` keeps: objects of the training are not."""
        state = TitleEmbedder.__getstate__(self)
        if "module_" not in state:
            return state
        defaults = type(self)().get_params(deep=False)
        for name in ("loss", "miner"):
            if not isinstance(state[name], (str, type(None))):
                state[name] = defaults[name]
        return state

    def _find_checkpoint(
        self, titles: NDArray[np.object_], labels: NDArray[np.int64]
    ) -> Checkpoint | None:
        """Return where the state of this training is kept, if it shall be."""
        if self.checkpoint_dir is None:
            return None
        params = self.get_params(deep=False)
        for name in ("checkpoint_dir", "log_dir", "verbose"):
            del params[name]
        if not isinstance(self.random_state, Integral):
            del params["random_state"]  # the seed that was drawn is in the state
        of = [type(self).__name__, *params.values(), titles.tolist(), labels]
        return Checkpoint(self.checkpoint_dir, of)

    def _prepare(self) -> tuple[nn.Module, torch.device, torch.dtype]:
        """Return the module where it is to embed, that device, and the type."""
        device = find_device(self.device)
        module = self.module_
        if device.type != "cpu":  # the fitted module rests on the CPU
            module = deepcopy(module).to(device)
        return module, device, self._find_dtype(device)

    def _find_dtype(self, device: torch.device) -> torch.dtype:
        """Return the type to compute in."""
        import torch

        return torch.bfloat16 if device.type == "cuda" else torch.float32

    def _training_settings(self, device: torch.device) -> TrainingSettings:
        """Return what the training loop needs to know."""
        from skmatch.embedders._training import TrainingSettings

        return TrainingSettings(
            n_epochs=self.n_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            warm_up=self.warm_up,
            weight_decay=self.weight_decay,
            cache_gradients=self.cache_gradients,
            patience=self.patience,
            device=device,
            dtype=self._find_dtype(device),
        )

    def _check_params(self) -> None:
        """Raise if a parameter that all embedders share is out of its range."""
        for name, least, most in (
            ("embedding_dim", 1, _LARGEST_SIZE),
            ("n_epochs", 1, _LARGEST_COUNT),
            ("batch_size", 4, _LARGEST_COUNT),
            ("patience", 1, _LARGEST_COUNT),
        ):
            check_scalar(
                getattr(self, name), name, Integral, min_val=least, max_val=most
            )
        check_number(
            self.learning_rate,
            "learning_rate",
            min_val=0,
            include_boundaries="neither",
        )
        check_number(
            self.validation_fraction,
            "validation_fraction",
            min_val=0,
            max_val=1,
            include_boundaries="left",
        )
        check_scalar(self.verbose, "verbose", (Integral, np.bool_))
        check_scalar(self.cache_gradients, "cache_gradients", (bool, np.bool_))

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


def _keep_state(checkpoint: Checkpoint, seed: int, state: dict[str, Any]) -> None:
    """Save the state of a training, with the seed that it began with."""
    checkpoint.save(state | {"seed": seed})


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
