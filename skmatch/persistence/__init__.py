"""Save and load: a folder of JSON, .npy, safetensors and skops that runs no code.

In come estimators, fitted or not; out go folders, and the same estimators again.

- ``_save_load``: `save` and `load`, what users call.
- ``_values``: values as JSON nodes, and back: numbers, arrays, text, weights, objects.
- ``_objects``: which classes and functions may be saved, and what of them is.
- ``_sklearn_parts``: what scikit-learn fitted, by skops, and checked.
- ``_folder``: files that are whole or not there, with the hash of each.
- ``_value_folders``: named values in a folder of their own.
- ``_checkpoints``: how far a training came.
"""

from skmatch.persistence._checkpoints import Checkpoint
from skmatch.persistence._folder import replace_file, sync_folder
from skmatch.persistence._objects import savable, savable_function
from skmatch.persistence._save_load import load, save
from skmatch.persistence._value_folders import (
    delete_values,
    read_values,
    write_values,
)

__all__ = [
    "Checkpoint",
    "delete_values",
    "load",
    "read_values",
    "replace_file",
    "savable",
    "savable_function",
    "save",
    "sync_folder",
    "write_values",
]
