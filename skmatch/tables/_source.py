"""Parquet files of listings, of which only the columns in use are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from skmatch.tables._arrow_titles import as_titles, plain_values


class Listings(NamedTuple):
    """The rows of Parquet files: their titles, in batches, and their ids."""

    dataset: Any  # pyarrow.dataset.Dataset
    names: list[str]  # the columns of the title, or of the fields of each row
    is_1d: bool  # whether it is the title alone
    keeps_names: bool  # whether a matcher wants the names of the columns
    n_rows: int
    ids: Any  # pyarrow.ChunkedArray (n_rows,); None: rows have their numbers

    def read(self, batch_size: int) -> Iterator[tuple[int, Any]]:
        """Yield the first row of each batch, and its titles as a matcher takes them.

        In the order of the files; no batch is longer than asked for.
        """
        start = 0
        for batch in self.dataset.to_batches(columns=self.names, batch_size=batch_size):
            if len(batch):
                yield start, self._as_titles(batch)
                start += len(batch)

    def read_all(self) -> Any:
        """Return the titles of all rows."""
        return self._as_titles(self.dataset.to_table(columns=self.names))

    def _as_titles(self, rows: Any) -> Any:
        columns = dict(zip(rows.schema.names, rows.columns, strict=True))
        return as_titles(columns, is_1d=self.is_1d, keeps_names=self.keeps_names)


def open_listings(
    source: Any, columns: str | list[str], ids: str | None, keeps_names: bool
) -> Listings:
    """Open Parquet files; raise if a column is not there, or an id is not unique."""
    try:
        import pyarrow as pa
        import pyarrow.dataset as ds
    except ImportError as error:
        raise ImportError(
            "Parquet files need pyarrow: pip install 'skmatch[parquet]'"
        ) from error

    try:
        dataset = ds.dataset(source, format="parquet")
        n_rows = dataset.count_rows()
    except (OSError, TypeError, pa.ArrowException) as error:
        raise ValueError(
            f"source={source!r} cannot be read as Parquet: {error}"
        ) from error
    names = [*columns] if isinstance(columns, (list, tuple)) else [columns]
    if not names:
        raise ValueError("columns is empty; expected the name of the title's column.")
    wanted = [("columns", name) for name in names]
    for parameter, name in wanted + ([] if ids is None else [("ids", ids)]):
        if not isinstance(name, str) or dataset.schema.names.count(name) != 1:
            raise ValueError(
                f"{parameter} names {name!r:.100}; expected one of the columns of "
                f"source, {dataset.schema.names}."
            )
    column = None
    if ids is not None:
        column = plain_values(dataset.to_table(columns=[ids])[ids])
        _check_ids(column, ids)
    is_1d = isinstance(columns, str)
    return Listings(dataset, names, is_1d, keeps_names, n_rows, column)


def _check_ids(column: Any, name: str) -> None:
    """Raise if an id is missing or there twice."""
    import pyarrow.compute as pc

    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise ValueError(
            f"ids={name!r} has no value in {column.null_count} rows, of which row "
            f"{row} is the first; expected an id for each row."
        )
    counted = pc.value_counts(column)
    is_twice = pc.greater(counted.field("counts"), 1)
    twice = counted.field("values").filter(is_twice)
    if len(twice):
        raise ValueError(
            f"ids={name!r} has {len(twice)} values in more than one row, such as "
            f"{twice[0].as_py()!r}; expected an id for each row."
        )
