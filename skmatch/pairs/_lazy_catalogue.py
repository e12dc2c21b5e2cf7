"""A catalogue that is matched among itself when it is first needed."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray

from skmatch.pairs._context import Catalogue
from skmatch.pairs._copies import Copies, find_copies
from skmatch.pairs._model import PairModel
from skmatch.persistence import savable

Titles = NDArray[np.object_]


@savable
class LazyCatalogue:
    """Titles, matched among themselves when they are first needed."""

    def __init__(
        self, model: PairModel, titles: Titles, fields: Titles, n_jobs: int | None
    ) -> None:
        self._model, self._titles, self._fields = model, titles, fields
        self._n_jobs = n_jobs

    @property
    def titles(self) -> Titles:
        """The titles."""
        return self._titles

    @property
    def fields(self) -> Titles:
        """The rows as they were given."""
        return self._fields

    def match(self, titles: Titles, fields: Titles) -> LazyCatalogue:
        """Return other titles, matched among themselves; kept until others are asked.

        A pickle is without them.
        """
        known: LazyCatalogue | None = self.__dict__.get("_other")
        if known is None or not np.array_equal(fields, known.fields):
            known = LazyCatalogue(self._model, titles, fields, self._n_jobs)
            known.described  # noqa: B018  which may be interrupted, before it is kept
            self._other = known
        return known

    @cached_property
    def copies(self) -> Copies:
        """Which of the titles are matched."""
        fields = self._fields if self._fields.ndim == 2 else None
        return find_copies(self._titles, fields)

    @cached_property
    def described(self) -> Catalogue:
        """The catalogue to match others with."""
        rows = self.copies.scored
        titles, fields = self._titles[rows], self._fields[rows]
        n_threads = effective_n_jobs(self._n_jobs)
        return self._model.make_catalogue(titles, fields, n_threads)

    def __getstate__(self) -> dict[str, Any]:
        made = ("copies", "described", "_other")
        return {k: v for k, v in vars(self).items() if k not in made}
