"""Values as nodes of JSON and files, and back.

A node is a number, a str, a bool, None or a list of nodes as it is, or a dict with the
kind of the value and what it needs: ``{"kind": "array", "file": "….npy"}``. An object
that is met again is a reference to where it was met first.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator

from skmatch.persistence._folder import FolderReader, FolderWriter
from skmatch.persistence._objects import (
    find_class,
    find_function,
    is_savable,
    is_savable_function,
    restore,
    state_of,
)
from skmatch.persistence._sklearn_parts import (
    composite_class,
    is_composite,
    read_sklearn,
    write_sklearn,
)

_SIMPLE = (bool, int, float, str, np.generic, PurePath, type)
_ARRAY_KINDS = "biufU"  # bool, int, unsigned, float, str; never object
_DEEPEST = 100  # objects in one another
_FEW = 1000  # texts are written into the JSON, more into files of their own
_MOST_BITS = 2**13  # of an int: Python reads and writes 4300 digits

Node = Any


class Encoder:
    """Turn values into nodes, and write what is large into files."""

    def __init__(self, writer: FolderWriter) -> None:
        self._writer = writer
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []  # an id is one value's as long as that lives
        self.uses_sklearn = self.uses_torch = False

    def encode(self, value: Any, where: str) -> Node:
        """Return the node of a value; `where` it stands is for errors."""
        if where.count(".") + where.count("[") > _DEEPEST:
            raise ValueError(
                f"{where[:50]} … is nested too deeply, or holds itself; expected at "
                f"most {_DEEPEST} levels."
            )
        if value is None or isinstance(value, _SIMPLE):
            return self._encode_simple(value, where)
        if isinstance(value, (list, tuple, set, frozenset)) and not is_savable(value):
            return self._encode_items(value, where)
        if type(value) in (dict, Counter):
            return self._encode_dict(value, where)
        if id(value) in self._seen:
            return {"kind": "same", "as": self._seen[id(value)]}
        number = len(self._seen)
        self._seen[id(value)] = number
        self._alive.append(value)
        return {**self._encode_object(value, where), "number": number}

    def _encode_simple(self, value: Any, where: str) -> Node:
        """Return the node of a number, a text or a type."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (str, PurePath)):
            return str(value)
        if isinstance(value, type):
            if not issubclass(value, np.generic) or value is np.object_:
                raise _cannot(where, value)
            return {"kind": "type", "name": value.__name__}
        if not isinstance(value, np.generic):
            return _encode_number(value, where)
        if value.dtype.kind not in _ARRAY_KINDS:
            raise _cannot(where, value)
        written = value.tobytes().hex()
        return {"kind": "scalar", "type": value.dtype.str, "bytes": written}

    def _encode_items(self, value: Any, where: str) -> Node:
        kind = next(t for t in (list, tuple, set, frozenset) if isinstance(value, t))
        if type(value) is not kind:
            raise _cannot(where, value)
        items = sorted(value) if kind in (set, frozenset) else list(value)
        if len(items) > _FEW and all(type(item) is str for item in items):
            node: Node = self._encode_texts(items)
        else:
            node = [self.encode(x, f"{where}[{i}]") for i, x in enumerate(items)]
        return node if kind is list else {"kind": kind.__name__, "items": node}

    def _encode_dict(self, value: dict[Any, Any], where: str) -> Node:
        if value and all(_is_tensor(item) for item in value.values()):
            return self._encode_tensors(value, where)
        kind = "counter" if isinstance(value, Counter) else "dict"
        keys, items = list(value), list(value.values())
        are_texts = all(type(key) is str for key in keys)
        if len(items) > _FEW and all(_is_small_int(item) for item in items):
            nodes = self.encode(_as_small_ints(items), where)
        else:
            nodes = [self.encode(x, f"{where}[{k!r}]") for k, x in value.items()]
            if are_texts:
                named = dict(zip(keys, nodes, strict=True))
                return {"kind": kind, "items": named}
        key_nodes = self.encode(keys, f"the keys of {where}")
        return {"kind": kind, "keys": key_nodes, "values": nodes}

    def _encode_object(self, value: Any, where: str) -> dict[str, Node]:
        if isinstance(value, np.ndarray):
            return self._encode_array(value, where)
        if sparse.issparse(value):
            return self._encode_sparse(value, where)
        if _is_tensor(value):
            return {"kind": "tensor", **self._file_of_array(value.numpy(), where)}
        if isinstance(value, np.random.RandomState):
            state = value.get_state(legacy=True)
            return {"kind": "random_state", "state": self.encode(list(state), where)}
        if type(value).__name__ == "KeyedVectors":
            return {
                "kind": "keyed_vectors",
                "words": self.encode(list(value.index_to_key), where),
                "vectors": self.encode(value.vectors, where),
            }
        if is_savable_function(value):
            return {"kind": "function", "name": value.__name__}
        if is_savable(value):
            name, state = type(value).__name__, state_of(value)
            return {"kind": "object", "type": name, "state": self._named(state, where)}
        if is_composite(value):
            self.uses_sklearn = True
            name = f"{type(value).__module__}.{type(value).__qualname__}"
            state = self._named(vars(value), where)
            return {"kind": "composite", "type": name, "state": state}
        if isinstance(value, BaseEstimator) or _is_of_sklearn(value):
            self.uses_sklearn = True
            content = write_sklearn(value, where)
            name = self._writer.add("skops", lambda file: file.write(content))
            return {"kind": "sklearn", "file": name}
        raise _cannot(where, value)

    def _named(self, state: dict[str, Any], where: str) -> dict[str, Node]:
        return {name: self.encode(x, f"{where}.{name}") for name, x in state.items()}

    def _encode_array(self, value: NDArray[Any], where: str) -> dict[str, Node]:
        if value.dtype != object:
            return {"kind": "array", **self._file_of_array(value, where)}
        return {
            "kind": "objects",
            "shape": list(value.shape),
            "items": self.encode(value.ravel().tolist(), where),
        }

    def _encode_sparse(self, value: Any, where: str) -> dict[str, Node]:
        if value.format != "csr":
            raise _cannot(where, value)
        return {
            "kind": "csr",
            "class": type(value).__name__,
            "shape": list(value.shape),
            "parts": [
                self.encode(part, where)
                for part in (value.data, value.indices, value.indptr)
            ],
        }

    def _encode_texts(self, texts: list[str]) -> Node:
        """Write many texts as the bytes of all, end to end, and the length of each."""
        # What is no character, such as half a pair of surrogates, is kept too.
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        lengths = _as_small_ints([len(text) for text in encoded])
        content = np.frombuffer(b"".join(encoded), np.uint8)
        return {
            "kind": "texts",
            "bytes": self._file_of_array(content, "texts")["file"],
            "lengths": self._file_of_array(lengths, "lengths")["file"],
        }

    def _encode_tensors(self, tensors: dict[Any, Any], where: str) -> Node:
        from safetensors.torch import save

        self.uses_torch = True
        whole = {}
        places = set()  # two names of one weight are written as two weights
        for key, tensor in tensors.items():
            plain = tensor.detach().cpu().contiguous()
            whole[str(key)] = plain.clone() if plain.data_ptr() in places else plain
            places.add(plain.data_ptr())
        content = save(whole)
        name = self._writer.add("safetensors", lambda file: file.write(content))
        return {"kind": "tensors", "file": name}

    def _file_of_array(self, value: NDArray[Any], where: str) -> dict[str, Node]:
        if value.dtype.kind not in _ARRAY_KINDS:
            raise _cannot(where, value)
        name = self._writer.add(
            "npy", lambda file: np.save(file, value, allow_pickle=False)
        )
        return {"file": name}


class Decoder:
    """Turn nodes into values. Nothing that they name is run.

    `changes` are parameters that take another value than the saved one.
    """

    def __init__(self, reader: FolderReader, changes: dict[str, Any]) -> None:
        self._reader = reader
        self._changes = changes
        self._seen: dict[int, Any] = {}

    def decode(self, node: Node) -> Any:
        """Return the value of a node."""
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        read: Callable[[Node], Any] | None
        read = getattr(self, f"_read_{node.get('kind')}", None)
        if read is None:
            raise ValueError(
                f"The save holds a value of the kind {node.get('kind')!r}, which this "
                "skmatch does not know."
            )
        value = read(node)
        if "number" in node:
            self._seen[node["number"]] = value
        return value

    def _read_number(self, node: Node) -> float:
        return float(node["value"])

    def _read_same(self, node: Node) -> Any:
        return self._seen[node["as"]]

    def _read_type(self, node: Node) -> Any:
        return _check_dtype(np.dtype(str(node["name"]).rstrip("_"))).type

    def _read_scalar(self, node: Node) -> Any:
        dtype = _check_dtype(np.dtype(str(node["type"])))
        return np.frombuffer(bytes.fromhex(node["bytes"]), dtype)[0]

    def _read_tuple(self, node: Node) -> tuple[Any, ...]:
        return tuple(self.decode(node["items"]))

    def _read_set(self, node: Node) -> set[Any]:
        return set(self.decode(node["items"]))

    def _read_frozenset(self, node: Node) -> frozenset[Any]:
        return frozenset(self.decode(node["items"]))

    def _read_dict(self, node: Node) -> dict[Any, Any]:
        if "items" in node:
            return {key: self.decode(item) for key, item in node["items"].items()}
        values = self.decode(node["values"])
        if isinstance(values, np.ndarray):
            values = values.tolist()
        return dict(zip(self.decode(node["keys"]), values, strict=True))

    def _read_counter(self, node: Node) -> Counter[Any]:
        return Counter(self._read_dict(node))

    def _read_texts(self, node: Node) -> list[str]:
        content = self._array_of_file(node["bytes"]).astype(np.uint8, copy=False)
        ends = self._array_of_file(node["lengths"]).astype(np.int64).cumsum().tolist()
        whole, starts = content.tobytes(), [0, *ends[:-1]]
        if ends and (min(np.diff([0, *ends])) < 0 or ends[-1] != len(whole)):
            raise ValueError("The lengths of texts do not add up to what there is.")
        return [
            whole[start:end].decode("utf-8", "surrogatepass")
            for start, end in zip(starts, ends, strict=True)
        ]

    def _read_array(self, node: Node) -> NDArray[Any]:
        return self._array_of_file(node["file"])

    def _read_objects(self, node: Node) -> NDArray[np.object_]:
        items = self.decode(node["items"])
        flat = np.empty(len(items), object)
        for index, item in enumerate(items):  # an item may be a list itself
            flat[index] = item
        return flat.reshape(node["shape"])

    def _read_csr(self, node: Node) -> Any:
        data, indices, indptr = self.decode(node["parts"])
        made = {"csr_array": sparse.csr_array, "csr_matrix": sparse.csr_matrix}
        value = made[node["class"]]((data, indices, indptr), shape=tuple(node["shape"]))
        value.check_format(full_check=True)  # compiled code trusts the indices
        return value

    def _read_tensor(self, node: Node) -> Any:
        import torch

        return torch.from_numpy(self._read_array(node))

    def _read_tensors(self, node: Node) -> Any:
        from safetensors import SafetensorError
        from safetensors.torch import load

        content = self._reader.read(node["file"], ".safetensors")
        try:
            return load(content)
        except SafetensorError as error:
            raise ValueError(
                f"{node['file']} cannot be read as safetensors: {error}"
            ) from error

    def _read_random_state(self, node: Node) -> np.random.RandomState:
        random_state = np.random.RandomState()
        random_state.set_state(tuple(self.decode(node["state"])))
        return random_state

    def _read_keyed_vectors(self, node: Node) -> Any:
        from gensim.models import KeyedVectors

        words, vectors = self.decode(node["words"]), self.decode(node["vectors"])
        keyed = KeyedVectors(vectors.shape[1], count=0, dtype=vectors.dtype)
        keyed.add_vectors(words, vectors)
        return keyed

    def _read_object(self, node: Node) -> Any:
        state = self._decode_named(node["state"])
        return restore(find_class(node["type"]), state)

    def _read_function(self, node: Node) -> Any:
        return find_function(node["name"])

    def _read_composite(self, node: Node) -> Any:
        cls = composite_class(node["type"])
        value = cls.__new__(cls)
        vars(value).update(self._decode_named(node["state"]))
        return value

    def _read_sklearn(self, node: Node) -> Any:
        return read_sklearn(self._reader.read(node["file"], ".skops"), node["file"])

    def _decode_named(self, state: Node) -> dict[str, Any]:
        if not isinstance(state, dict):
            raise ValueError(f"The save has {state!r} where names are expected.")
        known = {name: self.decode(item) for name, item in state.items()}
        return known | {k: v for k, v in self._changes.items() if k in known}

    def _array_of_file(self, name: Any) -> NDArray[Any]:
        """Read an array whose size is that of the file, before memory is taken."""
        content = io.BytesIO(self._reader.read(name, ".npy"))
        version = np.lib.format.read_magic(content)
        if version != (1, 0):
            raise ValueError(f"{name} is of version {version} of .npy; expected 1.0.")
        shape, _, dtype = np.lib.format.read_array_header_1_0(content)
        n_bytes = content.getbuffer().nbytes - content.tell()
        if dtype.kind not in _ARRAY_KINDS or math.prod(shape) * dtype.itemsize != (
            n_bytes
        ):
            raise ValueError(
                f"{name} says that it holds {shape} values of type {dtype}, but has "
                f"{n_bytes} bytes."
            )
        content.seek(0)
        return np.load(content, allow_pickle=False)


def _check_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Raise if values of a type may be more than numbers and texts."""
    if dtype.kind not in _ARRAY_KINDS:
        raise ValueError(f"The save has values of the type {dtype}.")
    return dtype


def _encode_number(value: float, where: str) -> Node:
    """Return an int or a float, also one that JSON does not know."""
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise ValueError(
                f"{where} is an int of {value.bit_length()} bits; expected at most "
                f"{_MOST_BITS}."
            )
        return int(value)
    plain = float(value)
    return plain if math.isfinite(plain) else {"kind": "number", "value": repr(plain)}


def _is_small_int(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


def _as_small_ints(values: list[int]) -> NDArray[np.integer[Any]]:
    """Return ints in the smallest type that holds them."""
    ints = np.array(values, np.int64)
    if not len(ints):
        return ints
    low, high = int(ints.min()), int(ints.max())
    widest = high if low >= 0 else min(low, -high - 1)
    return ints.astype(np.min_scalar_type(widest))


def _is_tensor(value: Any) -> bool:
    return f"{type(value).__module__}.{type(value).__name__}" in (
        "torch.Tensor",
        "torch.nn.parameter.Parameter",
    )


def _is_of_sklearn(value: Any) -> bool:
    """Tell whether a value is an object of scikit-learn, such as a splitter."""
    is_code = isinstance(value, type) or hasattr(value, "__code__")
    return type(value).__module__.startswith("sklearn.") and not is_code


def _cannot(where: str, value: Any) -> ValueError:
    return ValueError(
        f"{where} is {value!r:.200} of type {type(value).__qualname__}, which cannot "
        "be saved: a save holds data that scikit-learn and skmatch know, and no code."
    )
