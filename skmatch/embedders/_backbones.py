"""BERT-family models: found, checked before any code reads them, and loaded."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NEEDED = "AdapterBertEmbedder needs transformers and adapters: pip install "
NEEDED += "'skmatch[bert]'"
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]  # no code and no pickle
_ATTENTIONS = (None, "eager", "sdpa", "flash_attention_2", "flex_attention")
_ADAPTER = "skmatch"
_BOTTLENECKS = ("houlsby", "pfeiffer", "parallel", "bn")


def find_backbone(
    name: str, *, revision: str | None = None, local_files_only: bool = False
) -> Path:
    """Return the folder of a model, checked: a local one, or one of the hub."""
    folder = Path(name)
    if not folder.is_dir():
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
    if not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"{folder} holds no *.safetensors file; expected one. Weights in other "
            "formats are pickles, which can run code, and are not read."
        )
    return folder


def read_json(path: Path) -> Any:
    """Read a file of settings."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error


def check_settings(settings: Any, where: str) -> None:
    """Raise if settings, at any depth, name code to run."""
    if isinstance(settings, list):
        settings = dict(enumerate(settings))
    if not isinstance(settings, dict):
        return
    for key, value in settings.items():
        if "auto_map" in str(key) or key == "custom_pipelines":
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


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a checked folder."""
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise ImportError(NEEDED) from error
    tokenizer = AutoTokenizer.from_pretrained(
        folder, trust_remote_code=False, local_files_only=True, use_fast=True
    )
    if not tokenizer.is_fast:
        raise ValueError(f"{folder} has no fast tokenizer; expected a tokenizer.json.")
    return tokenizer


def load_backbone(folder: Path) -> Any:
    """Load the model of a checked folder, in float32."""
    try:
        from transformers import AutoModel
    except ImportError as error:
        raise ImportError(NEEDED) from error
    model = AutoModel.from_pretrained(
        folder,
        trust_remote_code=False,
        local_files_only=True,
        use_safetensors=True,
        attn_implementation="eager",  # of short titles it is the quickest to train
    )
    return model.float().eval()


def make_backbone(settings: dict[str, Any]) -> Any:
    """Make a model of the settings that its config gave, with random weights."""
    check_settings(settings, "the stored config")
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError as error:
        raise ImportError(NEEDED) from error
    config = AutoConfig.for_model(**settings)
    return AutoModel.from_config(
        config, trust_remote_code=False, attn_implementation="eager"
    )


def add_adapter(backbone: Any, adapter: Any, reduction_factor: float) -> Any:
    """Freeze a model and add an adapter; return the settings of the adapter."""
    try:
        import adapters
    except ImportError as error:
        raise ImportError(NEEDED) from error
    changes = {}
    if isinstance(adapter, str) and any(name in adapter for name in _BOTTLENECKS):
        changes = {"reduction_factor": reduction_factor, "non_linearity": "relu"}
    try:
        config = adapters.AdapterConfig.load(adapter, **changes)
        adapters.init(backbone)
        backbone.add_adapter(_ADAPTER, config=config)
        with quiet("adapters.model_mixin"):  # it warns before it has activated it
            backbone.train_adapter(_ADAPTER)
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        raise ValueError(
            f"adapter={adapter!r} does not fit a {type(backbone).__name__}: {error}; "
            "expected the name of a configuration of the adapters library, such as "
            "'houlsby', 'pfeiffer', 'lora' or 'ia3', or such an object."
        ) from error
    return config.to_dict()


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
