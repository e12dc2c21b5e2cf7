"""TrainingHistoryDisplay: loss and validation score by epoch."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skmatch.embedders import (
    AdapterBertEmbedder,
    AdapterBertPairClassifier,
    LSTMTitleEmbedder,
)
from skmatch.plotting._display import NEUTRAL, OTHER, SAME, DisplayMixin

_TRAINED = (AdapterBertEmbedder, AdapterBertPairClassifier, LSTMTitleEmbedder)
_ROWWISE_F1 = "Row-wise F1 of validation titles"
_F1_OF_PAIRS = "F1 of validation pairs"


class TrainingHistoryDisplay(DisplayMixin):
    """Loss and validation score by epoch, and the epoch that was kept.

    The score is the one at the best threshold for the validation titles or pairs. It is
    for comparing epochs: their number is not that of a gallery in use.

    Parameters
    ----------
    epoch : ndarray of shape (n_epochs,), dtype int64
        Numbers of the epochs, from 1.
    loss : ndarray of shape (n_epochs,), dtype float64
        Mean loss of each epoch; smaller is better.
    validation_score : ndarray of shape (n_epochs,), dtype float64
        Score after each epoch, in ``[0, 1]``; larger is better. NaN without validation.
    best_epoch : int
        The epoch that was kept.
    score_name : str, default="Row-wise F1 of validation titles"
        What the validation score is called on its axis.

    Attributes
    ----------
    loss_ : matplotlib Line2D
        The loss, with its axis on the left.
    score_ : matplotlib Line2D or None
        The validation score, with its axis on the right; None without validation.
    best_ : matplotlib Line2D
        The upright line at the epoch that was kept.
    ax_ : matplotlib Axes
        The axes of the loss.
    score_ax_ : matplotlib Axes or None
        The axes of the validation score.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    LSTMTitleEmbedder : Its `history_` is drawn.
    AdapterBertEmbedder : Likewise.

    Examples
    --------
    >>> from skmatch import LSTMTitleEmbedder, make_product_titles
    >>> from skmatch.plotting import TrainingHistoryDisplay
    >>> titles, product_ids = make_product_titles(50, random_state=0)
    >>> embedder = LSTMTitleEmbedder(
    ...     embedding_dim=16, hidden_size=8, n_epochs=2, random_state=0
    ... ).fit(titles, product_ids)
    >>> display = TrainingHistoryDisplay.from_estimator(embedder)
    >>> display.epoch
    array([1, 2])
    """

    def __init__(
        self,
        epoch: NDArray[np.int64],
        loss: NDArray[np.float64],
        validation_score: NDArray[np.float64],
        *,
        best_epoch: int,
        score_name: str = _ROWWISE_F1,
    ) -> None:
        self.epoch = epoch
        self.loss = loss
        self.validation_score = validation_score
        self.best_epoch = best_epoch
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Any = None,
    ) -> Self:
        """Draw how a fitted estimator was trained.

        Parameters
        ----------
        estimator : LSTMTitleEmbedder, AdapterBertEmbedder or AdapterBertPairClassifier
            A fitted one.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            The numbers of the figure, which is drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `estimator` is another one or was not trained; if it is not fitted, a
            NotFittedError.
        """
        if not isinstance(estimator, _TRAINED):
            names = ", ".join(each.__name__ for each in _TRAINED)
            raise ValueError(
                f"estimator={estimator!r:.50}; expected a fitted one of {names}."
            )
        check_is_fitted(estimator, "history_")
        history = estimator.history_
        if not history:
            raise ValueError("estimator was fitted without an epoch of training.")
        epoch, loss, score = (
            np.array([row[name] for row in history])
            for name in ("epoch", "loss", "validation_score")
        )
        of_pairs = isinstance(estimator, AdapterBertPairClassifier)
        return cls(
            epoch,
            loss,
            score,
            best_epoch=estimator.best_epoch_,
            score_name=_F1_OF_PAIRS if of_pairs else _ROWWISE_F1,
        ).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        self : TrainingHistoryDisplay
            The display, with its artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._begin(ax)
        (self.loss_,) = ax.plot(self.epoch, self.loss, "o-", color=SAME, label="loss")
        self.best_ = ax.axvline(
            self.best_epoch, color=NEUTRAL, linestyle=":",
            label=f"kept: epoch {self.best_epoch}",
        )  # fmt: skip
        ax.set(xlabel="Epoch", ylabel="Mean loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        self.score_, self.score_ax_, on_top = None, None, ax
        drawn = [self.loss_, self.best_]
        if not np.isnan(self.validation_score).all():
            self.score_ax_ = on_top = ax.twinx()
            (self.score_,) = on_top.plot(
                self.epoch, self.validation_score, "s--", color=OTHER,
                label="validation score",
            )  # fmt: skip
            on_top.set_ylabel(self.score_name)
            drawn.insert(1, self.score_)
        on_top.legend(
            handles=drawn, loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1)
        )
        return self
