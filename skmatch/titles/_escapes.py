r"""Literal ``\x..`` escapes in titles, as they are left where bytes were made str."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skmatch.persistence import savable_function
from skmatch.titles._validation import check_titles

_ESCAPES = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")


@savable_function
def decode_escapes(X: Any) -> NDArray[np.object_]:
    r"""Decode literal ``\x..`` escapes in titles, such as ``caf\xc3\xa9`` for café.

    They are left in titles that were bytes once, and became str by ``str(title)``.

    Parameters
    ----------
    X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
        Titles; fields become str and are joined by a space.

    Returns
    -------
    decoded : ndarray of shape (n_samples,), dtype object
        The titles with characters in place of the escapes. Escapes that are no UTF-8
        stay as they are.

    Raises
    ------
    ValueError
        If a title is None or NaN; the row is named.

    Notes
    -----
    A matcher learns what the escapes of its training titles say, so that decoding
    changes little where all titles are written so. It matters to a language model, and
    where some titles have escapes and others have the characters. As the first step of
    a pipeline it is ``FunctionTransformer(decode_escapes)``, which can be saved.

    Examples
    --------
    >>> from skmatch import decode_escapes
    >>> decode_escapes([r"\xe2\x9d\xa4 caf\xc3\xa9", "tea"])
    array(['❤ café', 'tea'], dtype=object)
    """
    checked, _ = check_titles(BaseEstimator(), X, reset=True)
    checked[:] = [_ESCAPES.sub(_decode, title) for title in checked]
    return checked


def _decode(found: re.Match[str]) -> str:
    """Return the characters of a run of escapes, or the run if there are none."""
    try:
        return bytes.fromhex(found[0].replace("\\x", "")).decode()
    except UnicodeDecodeError:
        return found[0]
