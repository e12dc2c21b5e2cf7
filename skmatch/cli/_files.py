"""Tables in files: CSV, TSV, JSON lines and Parquet, by the end of their names."""

from __future__ import annotations

import csv
import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from skmatch.persistence import replace_file
from skmatch.tables import check_target

STREAM = "-"  # stdin or stdout, as CSV
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON = (".jsonl", ".ndjson")
_PARQUET = ".parquet"
_LONGEST_FIELD = 2**30
_UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    UnicodeError,
    csv.Error,
    pa.ArrowException,
)


class _Format(NamedTuple):
    suffix: str
    is_zipped: bool


def check_output(path: str) -> None:
    """Raise if a table cannot be written there, before it takes time to make one."""
    if path != STREAM:
        _format_of(path)
        check_target(path)


def read_columns(path: str, names: list[str] | None = None) -> dict[str, Any]:
    """Return columns of a file, or all, as arrays of Arrow; in CSV all is text."""
    suffix, is_zipped = _format_of(path)
    try:
        if suffix == _PARQUET:
            return _read_parquet(path, names)
        with _open_text(path, is_zipped) as file:
            if suffix in _JSON:
                columns = _read_json(path, file, names)
            else:
                columns = _read_csv(path, file, names, _DELIMITERS[suffix])
        return {name: pa.array(values) for name, values in columns.items()}
    except _UNREADABLE as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"{path} cannot be read: {why}") from error


def write_table(path: str, table: Any) -> None:
    """Write a table of Arrow to a file, which is whole or as before, or to stdout."""
    suffix, is_zipped = _format_of(path)
    if path == STREAM:
        _write_text(sys.stdout.buffer, table, suffix)
        return

    def write(file: IO[bytes]) -> None:
        if suffix == _PARQUET:
            pq.write_table(table, file)
        elif is_zipped:
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as zipped:
                _write_text(zipped, table, suffix)
        else:
            _write_text(file, table, suffix)

    replace_file(check_target(path), write)


def _format_of(path: str) -> _Format:
    """Return the format of a file, by the end of its name."""
    if path == STREAM:
        return _Format(".csv", False)
    name = path.lower()
    is_zipped = name.endswith(".gz")
    known = (*_DELIMITERS, *_JSON) if is_zipped else (*_DELIMITERS, *_JSON, _PARQUET)
    for suffix in known:
        if name.removesuffix(".gz").endswith(suffix):
            return _Format(suffix, is_zipped)
    raise ValueError(
        f"{path}: expected a name that ends with {', '.join(known)}"
        + (", and .gz." if is_zipped else ", or - for CSV on stdin and stdout.")
    )


def _open_text(path: str, is_zipped: bool) -> TextIOWrapper:
    if path == STREAM:
        return TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
    opener: Callable[..., Any] = gzip.open if is_zipped else open
    return opener(path, "rt", encoding="utf-8-sig", newline="")


def _choose(path: str, names: list[str] | None, there: list[str]) -> list[str]:
    """Return the columns to read; raise if one is not there, or twice."""
    chosen = list(dict.fromkeys(there if names is None else names))
    for name in chosen:
        if there.count(name) != 1:
            how_often = "no column" if name not in there else "more than one column"
            raise ValueError(f"{path} has {how_often} {name!r}; it has {there}.")
    return chosen


def _read_parquet(path: str, names: list[str] | None) -> dict[str, Any]:
    names = _choose(path, names, pq.read_schema(path).names)
    table = pq.read_table(path, columns=names)
    return {name: table[name] for name in names}


def _read_lines(rows: Any) -> Iterator[list[str]]:
    """Yield the rows of a reader; what is wrong with one names its line."""
    try:
        yield from rows
    except csv.Error as error:
        raise csv.Error(f"line {rows.line_num}: {error}") from error


def _read_csv(
    path: str, file: IO[str], names: list[str] | None, delimiter: str
) -> dict[str, list[Any]]:
    csv.field_size_limit(_LONGEST_FIELD)
    rows = csv.reader(file, delimiter=delimiter, strict=True)
    lines = _read_lines(rows)
    header = next(lines, [])
    names = _choose(path, names, header)
    places = [header.index(name) for name in names]
    columns: list[list[Any]] = [[] for _ in names]
    for row in lines:
        if len(row) != len(header):
            if not row:  # an empty line
                continue
            raise ValueError(
                f"{path}: line {rows.line_num} has {len(row)} fields; expected "
                f"{len(header)}, as the header."
            )
        for column, place in zip(columns, places, strict=True):
            column.append(row[place])
    return dict(zip(names, columns, strict=True))


def _read_json(
    path: str, file: IO[str], names: list[str] | None
) -> dict[str, list[Any]]:
    rows = []
    there: dict[str, None] = {}
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: line {number} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"{path}: line {number} is no JSON object.")
        there |= dict.fromkeys(row)
        rows.append(row)
    names = _choose(path, names, [*there])
    return {name: [row.get(name) for row in rows] for name in names}


def _write_text(file: Any, table: Any, suffix: str) -> None:
    text = TextIOWrapper(file, encoding="utf-8", newline="")
    if suffix in _JSON:
        for row in _rows(table):
            named = dict(zip(table.column_names, row, strict=True))
            text.write(json.dumps(named, ensure_ascii=False) + "\n")
    else:
        _write_csv(text, table, _DELIMITERS[suffix])
    text.flush()
    text.detach()


def _write_csv(file: Any, table: Any, delimiter: str) -> None:
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(_rows(table))


def _rows(table: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table; a float32 has as many digits as tell it apart."""
    columns = [
        [float(str(value)) for value in column.to_numpy()]
        if column.type == pa.float32()
        else column.to_pylist()
        for column in table.columns
    ]
    return zip(*columns, strict=True)
