"""What is trained inside a frozen language model: by adapters, or by peft."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from skmatch._numbers import check_number
from skmatch.embedders._backbones import NEEDED, quiet

_ADAPTER = "skmatch"
_BOTTLENECKS = ("houlsby", "pfeiffer", "parallel", "bn")
# What of a peft.LoraConfig is taken, with its type. Others name files to read and
# modules to import, which nobody who sends a save is to choose.
_OF_LORA: dict[str, Any] = {
    "r": (Integral,),
    "lora_alpha": (Real,),
    "lora_dropout": (Real,),
    "target_modules": (list, tuple, set),
    "use_rslora": (bool,),
    "use_dora": (bool,),
}
# Of a config as a dict: not settings of what is trained.
_BESIDES = ("peft_type", "peft_version", "task_type", "inference_mode")


def is_adapter(adapter: Any) -> bool:
    """Tell whether it has the type of a name or a configuration of an adapter."""
    return isinstance(adapter, (str, Mapping)) or _is_of_peft(adapter)


def to_settings(adapter: Any) -> Any:
    """Return a configuration as a dict, and a name as it is."""
    if adapter is None or isinstance(adapter, str):
        return adapter
    if _is_of_peft(adapter):
        return _read_lora(adapter)
    return adapter.to_dict() if hasattr(adapter, "to_dict") else adapter


def add_adapter(
    backbone: Any, adapter: Any, reduction_factor: float
) -> dict[str, Any] | None:
    """Freeze a model and add an adapter, if any; return the settings of the adapter."""
    if adapter is None:
        backbone.requires_grad_(False)
        return None
    if _is_of_peft(adapter):
        return _add_lora(backbone, _read_lora(adapter))
    try:
        import adapters
    except ImportError as error:
        raise ImportError(NEEDED) from error
    changes = {}
    if isinstance(adapter, str) and any(name in adapter for name in _BOTTLENECKS):
        changes = {"reduction_factor": reduction_factor, "non_linearity": "relu"}
    try:
        config = adapters.AdapterConfig.load(adapter, **changes)
        if config is None:
            raise ValueError("it names no adapter")
        adapters.init(backbone)
        backbone.add_adapter(_ADAPTER, config=config)
        with quiet("adapters.model_mixin"):  # it warns before it has activated it
            backbone.train_adapter(_ADAPTER)
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        raise ValueError(
            f"adapter={adapter!r} does not fit a {type(backbone).__name__}: {error}; "
            "expected the name of a configuration of the adapters library, such as "
            "'houlsby', 'pfeiffer', 'lora' or 'ia3', such an object, or a "
            "peft.LoraConfig."
        ) from error
    return dict(config.to_dict())


def _is_of_peft(adapter: Any) -> bool:
    """Tell whether it is a configuration of peft, or what a save holds of one."""
    if isinstance(adapter, Mapping):
        return "peft_type" in adapter
    return hasattr(adapter, "peft_type")


def _read_lora(adapter: Any) -> dict[str, Any]:
    """Return the settings of a LoraConfig, an object or a dict of a save.

    Raise if it has others than those that we know.
    """
    settings = adapter if isinstance(adapter, Mapping) else adapter.to_dict()
    kind = settings["peft_type"]
    if getattr(kind, "value", kind) != "LORA":
        raise ValueError(f"adapter has peft_type={kind!r}; expected a LoraConfig.")
    usual = _import_peft().LoraConfig().to_dict()
    chosen = {"peft_type": "LORA"} | {name: usual[name] for name in _OF_LORA}
    for name, value in settings.items():
        types = (*_OF_LORA.get(name, ()), type(usual.get(name)))
        is_taken = name in _OF_LORA and isinstance(value, types)
        is_usual = isinstance(value, types) and value == usual.get(name)
        if not (is_taken or is_usual or name in _BESIDES):
            raise ValueError(
                f"adapter has {name}={value!r:.100}; expected a LoraConfig with no "
                f"other settings than {sorted(_OF_LORA)}, target_modules being a list."
            )
        if is_taken:
            chosen[name] = value
    if chosen["target_modules"] is not None:
        chosen["target_modules"] = sorted({*map(str, chosen["target_modules"])})
    bounds = {"min_val": 0, "max_val": 1e6, "include_boundaries": "right"}
    check_number(chosen["lora_alpha"], "lora_alpha of adapter", **bounds)
    check_number(
        chosen["lora_dropout"], "lora_dropout of adapter", min_val=0, max_val=1
    )
    return chosen


def _add_lora(backbone: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Freeze a model and add low-rank matrices; return the settings of these."""
    peft = _import_peft()
    most = backbone.config.hidden_size
    if not 1 <= settings["r"] <= most:
        raise ValueError(
            f"adapter has r={settings['r']!r}; expected 1 to {most}, the width of the "
            f"{type(backbone).__name__}."
        )
    modules = [name for name, _ in backbone.named_modules()]
    for target in settings["target_modules"] or ():
        if not any(name == target or name.endswith(f".{target}") for name in modules):
            raise ValueError(
                f"adapter has {target!r:.100} in target_modules; expected names of "
                f"modules of a {type(backbone).__name__}, such as 'query'."
            )
    try:
        config = peft.LoraConfig(**{name: settings[name] for name in _OF_LORA})
        peft.inject_adapter_in_model(config, backbone, adapter_name=_ADAPTER)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"adapter={settings!r} does not fit a {type(backbone).__name__}: {error}"
        ) from error
    return _read_lora(config)


def _import_peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise ImportError(
            "A peft.LoraConfig needs peft and transformers: pip install 'skmatch[peft]'"
        ) from error
    return peft
