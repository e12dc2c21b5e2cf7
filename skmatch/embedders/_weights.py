"""Trained weights, without the frozen ones: in a folder, and back in a network."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np

from skmatch.embedders._backbones import check_settings, read_json

if TYPE_CHECKING:
    import torch
    from torch import nn

SETTINGS = "settings.json"


def write_folder(
    folder: str | os.PathLike[str],
    settings: dict[str, Any],
    weights: dict[str, torch.Tensor],
) -> None:
    """Write settings and weights; if writing fails, what was there before is whole.

    1. Write the weights under a name that is the hash of them.
    2. Replace the settings, which name that file: from here on the new ones count.
    3. Delete the weights that the old settings named.
    """
    from safetensors.torch import save as to_bytes

    written = to_bytes({n: w.detach().contiguous() for n, w in weights.items()})
    name = f"adapter-{hashlib.sha256(written).hexdigest()[:16]}.safetensors"
    settings = settings | {"weights": name}
    try:
        text = json.dumps(settings, indent=1, default=_as_number)
    except TypeError as error:
        raise ValueError(f"A parameter cannot be written: {error}") from error
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    _replace(path / name, written)
    _replace(path / SETTINGS, text.encode())
    for old in path.glob("adapter-*.safetensors"):
        if old.name != name:
            old.unlink()


def read_settings(folder: Path) -> dict[str, Any]:
    """Read the settings of a folder; raise if they name code to run."""
    settings = read_json(folder / SETTINGS)
    check_settings(settings, str(folder / SETTINGS))
    return settings


def read_weights(folder: Path, file: str) -> dict[str, torch.Tensor]:
    """Read the safetensors file that the settings of a folder name."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if Path(file).name != file:
        raise ValueError(
            f"{folder / SETTINGS} names {file!r}; expected the name of a file."
        )
    try:
        return load_file(folder / file)
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"{folder / file} cannot be read as safetensors: {error}"
        ) from error


def load_weights(
    module: nn.Module, weights: dict[str, torch.Tensor], expected: set[str], where: str
) -> None:
    """Put weights into a module; raise unless they are those that are expected."""
    own = module.state_dict()
    for name, weight in weights.items():
        shape = tuple(own[name].shape) if name in expected else "no such weights"
        if shape != tuple(weight.shape):
            raise ValueError(
                f"{where} has weights {name!r} of shape {tuple(weight.shape)}; "
                f"expected {shape}."
            )
    if missing := expected - weights.keys():
        raise ValueError(f"{where} lacks the weights {min(missing)!r}.")
    module.load_state_dict(weights, strict=False)


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, path)


def _as_number(value: Any) -> Any:
    """Turn a numpy number into one that JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} of type {type(value).__name__}")
