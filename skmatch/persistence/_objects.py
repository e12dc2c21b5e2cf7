"""Which classes and functions of skmatch may be saved, and what is kept of them.

A class is saved if it is decorated by `savable`, a function if it is by
`savable_function`: of it, the name is kept. What is kept is what
``__getstate__`` gives, as in a pickle. An estimator that keeps less, or in another
form, has the methods ``_state_to_save`` and ``_restore``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import BaseEstimator

Class = TypeVar("Class", bound=type)
Function = TypeVar("Function", bound=Callable[..., Any])

_OUTPUT = "_sklearn_output_config"  # what set_output was told
_SAVABLE: dict[str, type] = {}
_FUNCTIONS: dict[str, Callable[..., Any]] = {}


def savable(cls: Class) -> Class:
    """Let the objects of a class be saved, under the name of the class."""
    _SAVABLE[cls.__name__] = cls
    return cls


def savable_function(function: Function) -> Function:
    """Let a function be a parameter of what is saved, under its name."""
    _FUNCTIONS[function.__name__] = function
    return function


def is_savable_function(value: Any) -> bool:
    """Tell whether a value is a function that may be saved."""
    return any(value is function for function in _FUNCTIONS.values())


def find_function(name: Any) -> Callable[..., Any]:
    """Return the function of a name; raise if there is none."""
    if not isinstance(name, str) or name not in _FUNCTIONS:
        raise ValueError(
            f"The save holds a function {name!r}, which this skmatch does not know; "
            f"expected one of {sorted(_FUNCTIONS)}."
        )
    return _FUNCTIONS[name]


def is_savable(value: Any) -> bool:
    """Tell whether an object is one of a class that may be saved."""
    return _SAVABLE.get(type(value).__name__) is type(value)


def find_class(name: Any) -> type:
    """Return the class of a name; raise if there is none."""
    if not isinstance(name, str) or name not in _SAVABLE:
        raise ValueError(
            f"The save holds an object of the type {name!r}, which this skmatch does "
            f"not know; expected one of {sorted(_SAVABLE)}."
        )
    return _SAVABLE[name]


def state_of(value: Any) -> dict[str, Any]:
    """Return what is kept of an object."""
    if isinstance(value, tuple):
        return dict(value._asdict())  # type: ignore[attr-defined]
    state = dict(getattr(value, "_state_to_save", value.__getstate__)() or {})
    if isinstance(value, BaseEstimator):  # without what scikit-learn keeps on it
        kept = {*value.get_params(deep=False), _OUTPUT}
        state = {k: v for k, v in state.items() if k in kept or k.endswith("_")}
    return state


def restore(cls: Any, state: dict[str, Any]) -> Any:
    """Make an object of what was kept of it."""
    if issubclass(cls, tuple):
        _check_names(cls, set(state), set(cls._fields))
        return cls(**state)
    if issubclass(cls, BaseEstimator):
        params = {name for name in state if not name.endswith("_")} - {_OUTPUT}
        _check_names(cls, params, set(cls._get_param_names()))
    value = cls.__new__(cls)
    if hasattr(value, "_restore"):
        value._restore(state)
    elif hasattr(value, "__setstate__"):
        value.__setstate__(state)
    else:
        vars(value).update(state)
    return value


def _check_names(cls: type, found: set[str], known: set[str]) -> None:
    if missing := known - found:
        raise ValueError(f"A saved {cls.__name__} lacks {min(missing)!r}.")
    if unknown := found - known:
        raise ValueError(
            f"A saved {cls.__name__} has {min(unknown)!r}, which this skmatch does not "
            "know."
        )
