"""What the columns beside the title have in common: a price, a brand, a model number.

Each kind of column has comparisons, by the name that its feature ends with. All are -1
where one of the two is missing, and the same whichever comes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.persistence import savable

Column = NDArray[np.object_]  # (n_pairs,)
_READ = 1000  # characters of a value
_NUMBER = re.compile(r"\d[\d,]*+(?:\.\d++)?+")
_MISSING = ("", "nan", "none", "<na>", "nat", "null")


def compare_numbers(left: Column, right: Column) -> NDArray[np.float32]:
    """Return the smaller number divided by the larger one."""
    a, b = (np.array([_read_number(v) for v in side], float) for side in (left, right))
    larger = np.maximum(np.abs(a), np.abs(b))
    ratios = np.divide(
        np.minimum(np.abs(a), np.abs(b)), larger, np.ones(len(a)), where=larger > 0
    )
    ratios[np.sign(a) * np.sign(b) < 0] = 0
    return np.where(np.isnan(a) | np.isnan(b), -1, ratios).astype(np.float32)


def compare_texts(left: Column, right: Column) -> NDArray[np.float32]:
    """Return the edit similarity of two texts, whose words may come in any order."""
    from rapidfuzz import fuzz

    return _compare(left, right, _read_text, fuzz.token_sort_ratio)


def compare_codes(left: Column, right: Column) -> NDArray[np.float32]:
    """Return the edit similarity of two codes: of their letters and digits alone."""
    from rapidfuzz import fuzz

    return _compare(left, right, _read_code, fuzz.ratio)


def contain_codes(left: Column, right: Column) -> NDArray[np.float32]:
    """Tell whether one code contains the other."""
    a, b = ([_read_code(v) for v in side] for side in (left, right))
    found = [
        float(x in y or y in x) if x and y else -1 for x, y in zip(a, b, strict=True)
    ]
    return np.array(found, np.float32)


COMPARISONS: dict[str, dict[str, Callable[[Column, Column], NDArray[np.float32]]]] = {
    "numeric": {"ratio": compare_numbers},
    "category": {"similarity": compare_texts},
    "code": {"similarity": compare_codes, "contained": contain_codes},
}


@savable
class ColumnFeature(NamedTuple):
    """A comparison of the two values of a column; it is called as a pair feature."""

    name: str
    place: int  # of the column
    kind: str
    comparison: str

    def __call__(
        self, left: NDArray[np.object_], right: NDArray[np.object_]
    ) -> NDArray[np.float32]:
        """Compare the rows of both sides: (n_pairs, n_columns)."""
        compare = COMPARISONS[self.kind][self.comparison]
        return compare(left[:, self.place], right[:, self.place])


def list_column_features(
    columns: Mapping[Any, str], places: Mapping[Any, int]
) -> list[Any]:
    """Return the features of columns that are named by kind."""
    return [
        ColumnFeature(f"{key}_{comparison}", places[key], kind, comparison)
        for key, kind in columns.items()
        for comparison in COMPARISONS[kind]
    ]


def check_columns(columns: Any) -> dict[Any, str]:
    """Return the kind of each column; raise if one is unknown."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise ValueError(
            f"columns={columns!r}; expected None or a dict of a kind for each column, "
            f"one of {[*COMPARISONS]}."
        )
    for key, kind in columns.items():
        if not isinstance(kind, str) or kind not in COMPARISONS:
            raise ValueError(
                f"columns[{key!r}]={kind!r}; expected one of {[*COMPARISONS]}."
            )
    return dict(columns)


def _compare(
    left: Column, right: Column, read: Callable[[Any], str], scorer: Any
) -> NDArray[np.float32]:
    from rapidfuzz import process

    a, b = ([read(value) for value in side] for side in (left, right))
    similar = process.cpdist(a, b, scorer=scorer, dtype=np.float32) / 100
    is_missing = [not x or not y for x, y in zip(a, b, strict=True)]
    return np.where(is_missing, np.float32(-1), similar)


def _read_number(value: Any) -> float:
    """Return a number, or the first one of a text; NaN if there is none."""
    if isinstance(value, (int, float, np.integer, np.floating)):
        return float(value) if np.isfinite(value) else np.nan
    found = _NUMBER.search(_read_text(value))
    return float(found[0].replace(",", "")) if found else np.nan


def _read_text(value: Any) -> str:
    text = str(value)[:_READ].encode("utf-16-le", "replace").decode("utf-16-le")
    text = " ".join(text.casefold().split())
    return "" if text in _MISSING else text


def _read_code(value: Any) -> str:
    code = "".join(filter(str.isalnum, _read_text(value)))
    return code.lstrip("0") or code
