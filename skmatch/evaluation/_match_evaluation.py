"""What an evaluation of matches holds: scores, sizes and examples of the errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple

from skmatch.evaluation._report_display import to_html, to_text

_SIZES = ["size", "rows_true", "rows_predicted", "rowwise_f1"]
_GROUPS = ["group", "row", "product", "title"]
_PARTS = ("summary", "sizes", "false_matches", "missed_matches", "mixed_groups")


class WrongPair(NamedTuple):
    """A pair of rows that matches and should not, or should match and does not."""

    row_a: int
    row_b: int
    score: float  # NaN if there is none
    product_a: Any
    product_b: Any
    title_a: str | None
    title_b: str | None


class MixedGroup(NamedTuple):
    """Rows that are said to be one product and are several, product by product."""

    rows: list[int]
    products: list[Any]  # of each row
    titles: list[str] | None  # of each row


@dataclass(frozen=True, repr=False)
class MatchEvaluation:
    """How good matches are, and examples of their errors.

    It is what :func:`evaluate_matches` returns. ``print`` shows it as text of 88
    columns, a notebook as HTML without scripts.

    Attributes
    ----------
    n_rows : int
        Size of the gallery: rows that were matched with one another.
    n_products : int
        Number of true products.
    rowwise_f1 : float
        As of :func:`rowwise_f1_score`.
    rowwise_f1_standard_error : float
        Its standard error, as of :func:`clustered_standard_error`.
    pairwise_precision_recall_f1 : tuple of three float
        As of the function of this name.
    bcubed_precision_recall_f1 : tuple of three float
        As of the function of this name.
    group_sizes_true : dict of int to int
        Number of rows whose product has one row, two rows and so on.
    group_sizes_predicted : dict of int to int
        Number of rows whose group has one row, two rows and so on; of a match matrix,
        that match so many rows, the row itself included.
    rowwise_f1_by_size : dict of int to float
        Row-wise F1 of the rows whose product has one row, two rows and so on.
    n_false_matches : int
        Number of pairs of rows that match, at least one the other, and are two
        products.
    n_missed_matches : int
        Number of pairs of rows that are the same product and do not match.
    false_matches : list of named tuples
        Examples of the false ones, at most one of the same two products: `row_a`,
        `row_b`, `score` (NaN if there is none), `product_a`, `product_b`, `title_a`,
        `title_b` (None without titles).
    missed_matches : list of named tuples
        Examples of the missed ones in the same form, at most one of a product.
    mixed_groups : list of named tuples
        The groups, or the rows with their matches, that hold the most products, the
        most first: `rows`, and of each row in `products` and `titles`. No row is in
        two of them.

    See Also
    --------
    evaluate_matches : Compare matches with the true products.
    """

    n_rows: int
    n_products: int
    rowwise_f1: float
    rowwise_f1_standard_error: float
    pairwise_precision_recall_f1: tuple[float, float, float]
    bcubed_precision_recall_f1: tuple[float, float, float]
    group_sizes_true: dict[int, int]
    group_sizes_predicted: dict[int, int]
    rowwise_f1_by_size: dict[int, float]
    n_false_matches: int
    n_missed_matches: int
    false_matches: list[WrongPair]
    missed_matches: list[WrongPair]
    mixed_groups: list[MixedGroup]

    def __repr__(self) -> str:
        return (
            f"MatchEvaluation(rowwise_f1={self.rowwise_f1:.3f}, n_rows={self.n_rows}, "
            f"n_products={self.n_products}, n_false_matches={self.n_false_matches}, "
            f"n_missed_matches={self.n_missed_matches})"
        )

    def __str__(self) -> str:
        return to_text(self)

    def _repr_html_(self) -> str:
        """Return the report as HTML, which notebooks show."""
        return to_html(self)

    def to_frame(self, part: str = "summary") -> Any:
        """Return a part of the evaluation as a table.

        Parameters
        ----------
        part : str, default="summary"
            - "summary": one row with all that is a number, so that the tables of
              several matchers can be put below one another.
            - "sizes": for each size, the rows whose product and whose group has it,
              and their row-wise F1.
            - "false_matches" and "missed_matches": a row for each pair.
            - "mixed_groups": a row for each row of the groups, which are numbered.

        Returns
        -------
        frame : pandas.DataFrame
            Without titles, the columns of titles are None.

        Raises
        ------
        ImportError
            If pandas is not installed (``pip install pandas``).
        ValueError
            If there is no such part.
        """
        if not isinstance(part, str) or part not in _PARTS:
            raise ValueError(f"part={part!r}; expected one of {_PARTS}.")
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_frame needs pandas: pip install pandas") from error
        if part == "summary":
            return pd.DataFrame([self._summary()])
        if part == "sizes":
            return pd.DataFrame(self._rows_of_sizes(), columns=_SIZES).set_index("size")
        if part == "mixed_groups":
            return pd.DataFrame(self._rows_of_groups(), columns=_GROUPS)
        return pd.DataFrame(getattr(self, part), columns=WrongPair._fields)

    def _summary(self) -> dict[str, float]:
        """Return every number by its name."""
        numbers: dict[str, float] = {}
        for name, value in vars(self).items():
            if isinstance(value, tuple):
                start = name.partition("_")[0]
                names = (f"{start}_{what}" for what in ("precision", "recall", "f1"))
                numbers |= dict(zip(names, value, strict=True))
            elif isinstance(value, (int, float)):
                numbers[name] = value
        return numbers

    def _rows_of_sizes(self) -> list[tuple[int, int, int, float]]:
        """Return each size, its rows, true and predicted, and their row-wise F1."""
        true, predicted = self.group_sizes_true, self.group_sizes_predicted
        return [
            (
                size,
                true.get(size, 0),
                predicted.get(size, 0),
                self.rowwise_f1_by_size.get(size, math.nan),
            )
            for size in sorted({*true, *predicted})
        ]

    def _rows_of_groups(self) -> list[tuple[int, int, Any, str | None]]:
        """Return the group, row, product and title of each row of a mixed group."""
        return [
            (number, row, product, title)
            for number, (rows, products, titles) in enumerate(self.mixed_groups)
            for row, product, title in zip(
                rows, products, titles or repeat(None, len(rows)), strict=True
            )
        ]
