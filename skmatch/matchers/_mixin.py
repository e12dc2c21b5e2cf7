"""What every matcher has: a score, and an output that stays sparse."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from skmatch.evaluation import rowwise_f1_score


class MatcherMixin(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Mixin of the matchers, which have `predict`."""

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return the row-wise F1 of :meth:`predict`.

        Parameters
        ----------
        X : array-like of length n_samples
            As in :meth:`predict`: rows that are matched with one another.
        y : array-like of shape (n_samples,)
            Product labels, int or str.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean.

        Returns
        -------
        score : float
            In ``[0, 1]``, as :func:`rowwise_f1_score`; larger is better.
        """
        matches = self.predict(X)
        return float(rowwise_f1_score(y, matches, sample_weight=sample_weight))

    def set_output(self, *, transform: Any = None) -> Self:
        """Leave :meth:`transform` as it is: no frame holds its sparse scores.

        Parameters
        ----------
        transform : object, default=None
            Ignored; exists so that a Pipeline can be asked for frames.

        Returns
        -------
        self : object
            The matcher.
        """
        return self
