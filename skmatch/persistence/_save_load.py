"""Save an estimator to a folder, and load it again."""

from __future__ import annotations

import os
import platform
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from skmatch.persistence._folder import FolderReader, FolderWriter
from skmatch.persistence._values import Decoder, Encoder

FORMAT = 1


def save(estimator: BaseEstimator, folder: str | os.PathLike[str]) -> None:
    """Write an estimator to a folder, without code in it.

    Parameters
    ----------
    estimator : estimator of skmatch, or Pipeline or FeatureUnion of such
        Fitted or not. Other steps may be what :mod:`skops` knows of scikit-learn.
    folder : str or path-like
        Folder to write to; it is made if need be. What an earlier save left in it is
        replaced, other files are not touched.

    Raises
    ------
    ValueError
        If `estimator` holds something that only code could make again, such as a
        function; the parameter or attribute is named.
    OSError
        If the folder cannot be written to.

    See Also
    --------
    load : Read what was saved.

    Notes
    -----
    The folder holds ``skmatch.json`` with the settings, the versions and a SHA-256 of
    every file; arrays and texts as ``.npy``, weights as safetensors, and estimators of
    scikit-learn as skops. If saving fails or is interrupted at any moment, what was
    there before is whole; what is left half-written is deleted by the next save to that
    folder. One program at a time may save to a folder.

    An `AdapterBertEmbedder` takes its language model along if `store_backbone` is True;
    else only a few MB are written, and the model is looked up where `model_name` says.
    Word vectors that are named by a path or a name are not copied.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from skmatch import FaissThresholdMatcher, load, save
    >>> matcher = FaissThresholdMatcher(threshold=0.9).fit([[1.0, 0.0], [0.0, 1.0]])
    >>> with TemporaryDirectory() as folder:
    ...     save(matcher, folder)
    ...     loaded = load(folder)
    >>> loaded.transform([[2.0, 0.0]]).toarray()
    array([[1., 0.]], dtype=float32)
    """
    if not isinstance(estimator, BaseEstimator):
        raise ValueError(
            f"estimator={estimator!r:.100} of type {type(estimator).__name__}; "
            "expected an estimator of skmatch, or a Pipeline or FeatureUnion."
        )
    with FolderWriter(_as_path(folder)) as writer:
        encoder = Encoder(writer)
        root = encoder.encode(estimator, "estimator")
        packages = ["skmatch", "numpy"]
        packages += ["scikit-learn", "skops"] if encoder.uses_sklearn else []
        packages += ["torch", "safetensors"] if encoder.uses_torch else []
        versions = {package: version(package) for package in packages}
        versions["python"] = platform.python_version()
        writer.finish({"format": FORMAT, "versions": versions, "estimator": root})


def load(folder: str | os.PathLike[str], *, model_name: str | None = None) -> Any:
    """Read what :func:`save` wrote. No code in the files is run.

    Parameters
    ----------
    folder : str or path-like
        Folder that :func:`save` wrote.
    model_name : str or None, default=None
        Where the language model of an `AdapterBertEmbedder` in it is now; None is where
        it was.

    Returns
    -------
    estimator : object
        The estimator, as it was saved: it predicts the same, bit for bit, with the same
        versions on the same kind of machine.

    Raises
    ------
    ValueError
        If a file is missing, cut, altered or not ours, a type is unknown, or the folder
        was written by a newer skmatch.

    Warns
    -----
    UserWarning
        If another version of scikit-learn wrote its parts: what they hold may mean
        something else now.

    See Also
    --------
    save : Write an estimator.

    Notes
    -----
    A hash shows that a file was altered by accident. Who alters a file on purpose can
    alter its hash, too: such a file may make the estimator answer wrongly, but it runs
    no code and reaches no memory beyond its own, and no file is unpacked to more than
    50 times its size. A save can name files that are then read as data: `model_name`
    and `word_vectors`.
    """
    reader = FolderReader(_as_path(folder))
    content = reader.content
    if content.get("format") != FORMAT:
        raise ValueError(
            f"{reader.path} has the format {content.get('format')!r}, by skmatch "
            f"{_saved_by(content, 'skmatch')}; expected {FORMAT}. A newer skmatch may "
            "read it."
        )
    changes = {} if model_name is None else {"model_name": model_name}
    try:
        estimator = Decoder(reader, changes).decode(content["estimator"])
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        RuntimeError,
        TypeError,
    ) as error:
        raise ValueError(
            f"{reader.path} does not describe an estimator: {error!r}"
        ) from error
    saved_by, own = _saved_by(content, "scikit-learn"), version("scikit-learn")
    if saved_by is not None and _minor(saved_by) != _minor(own):
        warnings.warn(
            f"{folder} was saved with scikit-learn {saved_by}; this is {own}: what its "
            "estimators hold may mean something else now.",
            UserWarning,
            stacklevel=2,
        )
    return estimator


def _as_path(folder: Any) -> Path:
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"folder={folder!r:.50}; expected a str or path-like.")
    path = Path(folder)
    if "\0" in str(path):
        raise ValueError(f"folder={folder!r:.50} holds a NUL; expected a path.")
    return path


def _saved_by(content: dict[str, Any], package: str) -> str | None:
    """Return the version of a package that a save was made with."""
    versions = content.get("versions")
    found = versions.get(package) if isinstance(versions, dict) else None
    return None if found is None else str(found)


def _minor(package_version: str) -> list[str]:
    return package_version.split(".")[:2]
