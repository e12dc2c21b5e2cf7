"""What every matcher has: a score, and an output that stays sparse."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_scalar

from skmatch._documented import Documented
from skmatch.evaluation import rowwise_f1_score


class MatcherMixin(
    Documented,
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


def check_n_matches(n_matches: Any, catalogue: Any) -> None:
    """Raise unless the number of scores of a row is none, or 1 or more."""
    if n_matches is None:
        return
    check_scalar(n_matches, "n_matches", Integral, min_val=1)
    if catalogue is None:
        raise ValueError(
            f"n_matches={n_matches} without a catalogue; expected one: scores among "
            "rows are symmetric, and the best of each row are not."
        )
