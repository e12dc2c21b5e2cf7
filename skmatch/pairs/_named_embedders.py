"""Embedders with names, whose parameters are those of the whole, as in FeatureUnion."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator

from skmatch._documented import Documented


def name_parts(embedders: Any) -> list[tuple[str, Any]]:
    """Return embedders with their names; one without a name has ''."""
    listed = list(embedders) if isinstance(embedders, (list, tuple)) else [embedders]
    return [part if _is_named(part) else ("", part) for part in listed]


def _is_named(part: Any) -> bool:
    return isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], str)


def check_names(names: list[str], parameters: set[str]) -> None:
    """Raise unless names are unlike each other and the parameters of the whole."""
    for name in filter(None, names):
        if names.count(name) > 1 or "__" in name or name in parameters:
            raise ValueError(
                f"embedders has the name {name!r}; expected names that differ from one "
                "another and from the parameters, without '__'."
            )


class NamedEmbedders(Documented, BaseEstimator):
    """Base of estimators with `embedders`, a list of ``(name, transformer)``."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return the named embedders and their parameters, too, as
            ``name`` and ``name__parameter``.

        Returns
        -------
        params : dict
            Values by name.
        """
        params: dict[str, Any] = super().get_params(deep=deep)
        if not deep:
            return params
        for name, part in name_parts(params["embedders"]):
            if name:
                params[name] = part
            if name and hasattr(part, "get_params"):
                params |= {f"{name}__{key}": x for key, x in part.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, of named embedders too, as :meth:`get_params` names them.

        Parameters
        ----------
        **params : dict
            Values by name.

        Returns
        -------
        self : object
            The estimator.
        """
        if "embedders" in params:
            self.embedders = params.pop("embedders")
        parts = name_parts(self.embedders)
        if given := {name for name, _ in parts if name} & params.keys():
            replaced = [
                (name, params[name] if name in given else part) for name, part in parts
            ]
            self.embedders = [pair if pair[0] else pair[1] for pair in replaced]
            params = {key: x for key, x in params.items() if key not in given}
        super().set_params(**params)
        return self
