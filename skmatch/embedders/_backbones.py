"""BERT-family models: found, checked before any code reads them, and loaded."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

NEEDED = "A language model needs transformers and adapters: pip install "
NEEDED += "'skmatch[bert]'; with a peft.LoraConfig as adapter, 'skmatch[peft]'"
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]  # no code and no pickle
# Encoders of text that the adapters library knows. What a config of another type names
# beside itself, such as a model within the model, has not been looked at.
_MODEL_TYPES = (
    "albert",
    "bert",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "roberta",
    "xlm-roberta",
    "xmod",
)
_ATTENTIONS = (None, "eager", "sdpa", "flash_attention_2", "flex_attention")
_WEIGHTS = "model.safetensors"
_ENDS_OF_WEIGHTS = (".weight", ".bias", ".gamma", ".beta")
_LARGEST_SIZE = 10**7  # of a vocabulary, say
_ROLES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


def find_backbone(
    name: str, *, revision: str | None = None, local_files_only: bool = False
) -> Path:
    """Return the folder of a model, checked: a local one, or one of the hub."""
    if not name:
        raise ValueError("model_name='' names no model; expected a folder or a name.")
    folder = Path(name)
    if not folder.is_dir():
        if name[0] in "./~\\" or name.count("/") > 1 or folder.exists():
            raise ValueError(
                f"model_name={name!r}: there is no such folder; expected one with "
                "config.json, *.safetensors and the files of a tokenizer, or the name "
                "of a model of the hub."
            )
        try:
            from huggingface_hub import snapshot_download
        except ImportError as error:
            raise ImportError(NEEDED) from error
        try:
            found = snapshot_download(
                name,
                revision=revision,
                local_files_only=local_files_only,
                allow_patterns=_FILES,
            )
        except (OSError, ValueError) as error:
            raise ValueError(
                f"model_name={name!r} is neither a folder nor a model of the hub that "
                f"can be had here: {error}"
            ) from error
        folder = Path(found)
    for file in ("config.json", "tokenizer_config.json"):
        if (folder / file).exists() or file == "config.json":
            check_settings(read_json(folder / file), str(folder / file))
    _check_type(read_json(folder / "config.json"), str(folder / "config.json"))
    weight_files(folder)
    return folder


def weight_files(folder: Path) -> list[Path]:
    """Return the files of weights of a model, all of them safetensors in its folder."""
    index = folder / f"{_WEIGHTS}.index.json"
    names = [_WEIGHTS]
    if not (folder / _WEIGHTS).exists() and index.exists():
        content = read_json(index)
        weight_map = content.get("weight_map") if isinstance(content, dict) else None
        if not isinstance(weight_map, dict) or not weight_map:
            raise ValueError(f"{index} has no 'weight_map'; expected one.")
        names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ValueError(
                f"{index} names {name!r}; expected *.safetensors files of its folder. "
                "Weights in other formats are pickles, which can run code."
            )
        if not (folder / name).is_file():
            raise ValueError(
                f"{folder} holds no {name}; expected the weights of the model as "
                "safetensors. Other formats are pickles, which can run code, and are "
                "not read."
            )
    return [folder / name for name in names]


def read_json(path: Path) -> Any:
    """Read a file of settings."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error


def check_settings(settings: Any, where: str) -> None:
    """Raise if settings, at any depth, name code to run."""
    if isinstance(settings, list):
        settings = dict(enumerate(settings))
    if not isinstance(settings, dict):
        return
    for key, value in settings.items():
        is_code = "auto_map" in str(key) or key == "custom_pipelines"
        if is_code or (key == "trust_remote_code" and value):  # CVE-2026-5241
            raise ValueError(
                f"{where} names code of its own ({key}={value!r}), which skmatch never "
                "runs; expected a model that transformers knows."
            )
        if "attn_implementation" in str(key):
            values = value.values() if isinstance(value, dict) else [value]
            if not all(part in _ATTENTIONS for part in values):
                raise ValueError(
                    f"{where} asks for {key}={value!r}, which can run code of a "
                    f"repository (CVE-2026-4372); expected one of {_ATTENTIONS}."
                )
        check_settings(value, where)


def _check_type(settings: Any, where: str) -> None:
    """Raise unless a config is that of a model that we know what to do with."""
    found = settings.get("model_type") if isinstance(settings, dict) else None
    if found not in _MODEL_TYPES:
        raise ValueError(
            f"{where} has model_type={found!r}; expected one of {_MODEL_TYPES}."
        )


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a checked folder."""
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise ImportError(NEEDED) from error
    with named_errors(f"{folder} has no tokenizer that can be read"):
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, use_fast=True
        )
    if not tokenizer.is_fast:
        raise ValueError(f"{folder} has no fast tokenizer; expected a tokenizer.json.")
    return tokenizer


def write_tokenizer(tokenizer: Any) -> dict[str, Any]:
    """Return a tokenizer as data: its own JSON, and what is said beside it."""
    content = tokenizer.backend_tokenizer.to_str().encode()
    return {
        "json": np.frombuffer(content, np.uint8),
        "settings": {
            "model_max_length": tokenizer.model_max_length,
            "padding_side": tokenizer.padding_side,
            "truncation_side": tokenizer.truncation_side,
            "model_input_names": list(tokenizer.model_input_names),
            **{
                k: str(v)
                for k, v in tokenizer.special_tokens_map.items()
                if k in _ROLES
            },
        },
    }


def read_tokenizer(stored: dict[str, Any]) -> Any:
    """Make the tokenizer that `write_tokenizer` wrote."""
    try:
        from tokenizers import Tokenizer
        from transformers import PreTrainedTokenizerFast
    except ImportError as error:
        raise ImportError(NEEDED) from error
    with named_errors("The saved tokenizer cannot be read"):
        made = Tokenizer.from_str(stored["json"].tobytes().decode())
        return PreTrainedTokenizerFast(tokenizer_object=made, **stored["settings"])


def load_backbone(folder: Path, with_pooler: bool = True) -> Any:
    """Load the model of a checked folder, in float32; raise unless it is all there."""
    try:
        from safetensors.torch import load_file
        from transformers import AutoConfig, AutoModel
    except ImportError as error:
        raise ImportError(NEEDED) from error
    import torch

    files = weight_files(folder)
    with named_errors(f"{folder} holds weights that cannot be read"):
        weights = {k: v for path in files for k, v in load_file(path).items()}
    for name, weight in weights.items():
        if not weight.dtype.is_floating_point and name.endswith(_ENDS_OF_WEIGHTS):
            raise ValueError(
                f"{folder} has weights {name!r} of type {weight.dtype}; expected "
                "floating point numbers."
            )
        if not torch.isfinite(weight).all():
            raise ValueError(f"{folder} has NaN or inf in the weights {name!r}.")
    check_sizes(read_json(folder / "config.json"), len(weights))
    with named_errors(f"{folder} holds no model that transformers can make"):
        config = AutoConfig.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
        with torch.device("meta"):
            empty = AutoModel.from_config(config, trust_remote_code=False)
    _check_shapes(empty, weights, with_pooler, str(folder))
    with named_errors(f"{folder} holds no model that transformers can make"):
        model, report = type(empty).from_pretrained(
            None,  # nothing but what was read and checked above
            config=config,
            state_dict=weights,
            output_loading_info=True,
            attn_implementation="eager",  # of short titles it is the quickest to train
        )
    missing = {x for x in report["missing_keys"] if with_pooler or not _is_pooler(x)}
    if missing:
        raise ValueError(f"{folder} lacks the weights {min(missing)!r} of its model.")
    return model.float().eval()


def _check_shapes(
    empty: Any, weights: dict[str, Any], with_pooler: bool, where: str
) -> None:
    """Raise, before a model takes memory, unless its weights are there as it has them.

    They may have been saved as a part of a larger model, or under names of old.
    """
    for name, own in empty.state_dict().items():
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        old = old.replace("LayerNorm.bias", "LayerNorm.beta")
        prefix = f"{empty.base_model_prefix}."
        names = (name, old, prefix + name, prefix + old)
        known = [weights[x] for x in names if x in weights]
        if not known and (with_pooler or not _is_pooler(name)):
            raise ValueError(f"{where} lacks the weights {name!r} of its model.")
        if known and known[0].shape != own.shape:
            raise ValueError(
                f"{where} has weights {name!r} of shape {tuple(known[0].shape)}; "
                f"config.json says {tuple(own.shape)}."
            )


def _is_pooler(name: str) -> bool:
    return name.startswith("pooler.")


def make_backbone(settings: dict[str, Any]) -> Any:
    """Make a model of the settings that its config gave, with random weights."""
    check_settings(settings, "the stored config")
    _check_type(settings, "the stored config")
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError as error:
        raise ImportError(NEEDED) from error
    with named_errors("The stored config is of no model that transformers can make"):
        config = AutoConfig.for_model(**settings)
        return AutoModel.from_config(
            config, trust_remote_code=False, attn_implementation="eager"
        )


def check_sizes(settings: Any, n_weights: int) -> None:
    """Raise if a config asks for more layers than there are weights, or huge ones."""
    for key, value in settings.items() if isinstance(settings, dict) else ():
        if isinstance(value, bool) or not isinstance(value, int):
            continue
        most = n_weights if "layers" in key else _LARGEST_SIZE
        if value > most:
            raise ValueError(
                f"The config of the model has {key}={value}; expected at most {most}."
            )


@contextmanager
def named_errors(what: str) -> Iterator[None]:
    """Turn whatever a file may cause in another library into a ValueError."""
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"{what}: {error!r:.500}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust
            raise
        raise ValueError(f"{what}: {error!r:.500}") from error


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Let a logger say nothing but errors for a while."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def fingerprint(backbone: Any) -> str:
    """Return a hash of the weights that an adapter does not train."""
    digest = hashlib.sha256()
    for name, weight in sorted(backbone.named_parameters()):
        if not weight.requires_grad:
            digest.update(f"{name} {tuple(weight.shape)}".encode())
            digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
