"""Columns of a file as a matcher takes them: titles, ids and product labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skmatch.cli._files import read_columns
from skmatch.tables import as_columns, as_titles, check_ids, has_names


class Listings(NamedTuple):
    """The rows of a file; `ids` and `products` are None without a column of these."""

    X: Any  # as the matcher takes it
    titles: Any  # pyarrow.Array (n_rows,), to show
    ids: Any  # pyarrow.Array (n_rows,)
    products: list[Any] | None  # (n_rows,); None where a row has none

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.titles)

    @property
    def names(self) -> list[Any]:
        """The id of each row, or its number."""
        return [*range(len(self))] if self.ids is None else self.ids.to_pylist()


def read_listings(
    path: str,
    titles: list[str] | None = None,
    ids: str | None = None,
    products: str | None = None,
    *,
    matcher: Any = None,
) -> Listings:
    """Read a file; raise if a title is missing, or an id is or is there twice.

    Without names of columns of titles they are those that the matcher was fitted on, or
    "title".
    """
    fitted_on = [*matcher.feature_names_in_] if has_names(matcher) else None
    titles = titles or fitted_on or ["title"]
    names = [name for name in (ids, products) if name is not None]
    columns = read_columns(path, titles + names)
    fields = [columns[name] for name in titles]
    if not len(fields[0]):
        raise ValueError(f"{path} has no rows; expected at least one.")
    for name, column in zip(titles, fields, strict=True):
        if column.null_count:
            row = pc.index(pc.is_null(column), True).as_py()
            raise ValueError(f"{path}: row {row} has no value in column {name!r}.")
    if fitted_on is not None and len(titles) != len(fitted_on):
        raise ValueError(
            f"{path}: --title names {len(titles)} columns; expected {len(fitted_on)}, "
            f"for {fitted_on} of the model."
        )
    is_1d = len(titles) == 1
    keeps_names = fitted_on is not None or (matcher is None and not is_1d)
    named = dict(zip(fitted_on or titles, fields, strict=True))
    return Listings(
        as_titles(named, is_1d=is_1d, keeps_names=keeps_names),
        _join(fields),
        None if ids is None else _as_ids(path, ids, columns[ids]),
        None if products is None else _or_none(columns[products]),
    )


def _join(fields: list[Any]) -> Any:
    """Return the fields of each row as one text."""
    texts = [pc.cast(field, pa.string()) for field in fields]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " ")


def _or_none(column: Any) -> list[Any]:
    """Return values; an empty text is none."""
    return [None if value == "" else value for value in column.to_pylist()]


def _as_ids(path: str, name: str, column: Any) -> Any:
    """Return a column of ids, each once."""
    ids = pa.array(_or_none(column))
    where = f"{path}, column {name!r}"
    check_ids(where, as_columns({where: ids}, {where: len(ids)})[where])
    return ids


def product_labels(path: str, name: str, products: list[Any]) -> np.ndarray[Any, Any]:
    """Return the product of each row; raise if one has none."""
    if None in products:
        raise ValueError(
            f"{path}: row {products.index(None)} has no value in column {name!r}."
        )
    return np.array(products, dtype=object)
