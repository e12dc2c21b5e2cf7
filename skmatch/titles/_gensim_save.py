"""A save of gensim's KeyedVectors, read without pickle: nothing in it can run.

Such a save is a program for a small stack machine. The machine here has only the
instructions of gensim's saves, and makes nothing but str, bytes, numbers, tuples, lists
and dicts. Where the program calls a function or sets a state, that is noted, not done:

1. Run the program: it gives the notes of an object and of its attributes.
2. Read from them the words, a dict, and the vectors, an array of numbers whose shape
   fits its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from mmap import mmap
from struct import Struct
from struct import error as StructError
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What a save may name; the module of a function of numpy differs by version.
_KEYED_VECTORS = {
    ("gensim.models.keyedvectors", "KeyedVectors"),
    ("gensim.models.keyedvectors", "Word2VecKeyedVectors"),
    ("gensim.models.fasttext", "FastTextKeyedVectors"),
}
_ARRAY_MAKERS = {
    (f"numpy.{core}", name)
    for core, name in (
        ("core.multiarray", "_reconstruct"),
        ("_core.multiarray", "_reconstruct"),
        ("core.numeric", "_frombuffer"),
        ("_core.numeric", "_frombuffer"),
    )
}
_NAMES = _KEYED_VECTORS | _ARRAY_MAKERS | {("numpy", "ndarray"), ("numpy", "dtype")}
_NUMBER_TYPES = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)}
_NUMBER_TYPES |= {"f2", "f4", "f8"}
_U1, _U2, _U4, _U8 = (Struct(layout) for layout in ("<B", "<H", "<I", "<Q"))


@dataclass(frozen=True)
class _Name:
    """A class or function that a save names."""

    module: str
    name: str


@dataclass
class _Noted:
    """What a call would make, and the state that it would be given."""

    maker: Any
    arguments: Any
    state: Any = None


def read_gensim_save(content: bytes | mmap) -> dict[Any, Any]:
    """Return the attributes of the KeyedVectors in the bytes of a save.

    An array is a note; `read_array` makes it. Anything else than a save of KeyedVectors
    raises a ValueError.
    """
    try:
        saved = _Machine(content).run()
    except (IndexError, KeyError, StructError) as error:
        raise ValueError("it is cut off or broken") from error
    if not (
        isinstance(saved, _Noted)
        and isinstance(saved.maker, _Name)
        and (saved.maker.module, saved.maker.name) in _KEYED_VECTORS
        and isinstance(saved.state, dict)
    ):
        raise ValueError("it holds something else")
    return saved.state


def read_array(noted: Any) -> NDArray[Any] | None:
    """Make the matrix of numbers that is noted; None if it is not one."""
    name = noted.maker.name if _is_call_of(noted, _ARRAY_MAKERS) else ""
    if name == "_reconstruct" and _is_tuple(noted.state, 5):
        _, shape, dtype, is_fortran, data = noted.state
    elif name == "_frombuffer" and _is_tuple(noted.arguments, 4):
        data, dtype, shape, order = noted.arguments
        is_fortran = order == "F"
    else:
        return None
    is_matrix = _is_tuple(shape, 2) and all(type(n) is int and n >= 0 for n in shape)
    number_type = _read_number_type(dtype)
    if not is_matrix or number_type is None or not isinstance(data, bytes):
        return None
    if shape[0] * shape[1] * number_type.itemsize != len(data):
        raise ValueError(f"it has {len(data)} bytes for an array of shape {shape}")
    vectors = np.frombuffer(data, number_type)
    return vectors.reshape(shape, order="F" if is_fortran is True else "C")


def _read_number_type(noted: Any) -> np.dtype[Any] | None:
    """Make the type that is noted; None if it is not one of plain numbers."""
    if not _is_call_of(noted, {("numpy", "dtype")}) or not _is_tuple(noted.state, 8):
        return None
    code = noted.arguments[0] if noted.arguments else None
    byte_order, *rest = noted.state[1:]
    is_plain = rest == [None, None, None, -1, -1, 0]  # no fields, shape or names
    if code not in _NUMBER_TYPES or byte_order not in ("<", ">", "|") or not is_plain:
        return None
    return np.dtype(byte_order + code)


def _is_call_of(noted: Any, names: set[tuple[str, str]]) -> bool:
    return (
        isinstance(noted, _Noted)
        and isinstance(noted.maker, _Name)
        and (noted.maker.module, noted.maker.name) in names
        and isinstance(noted.arguments, tuple)
    )


def _is_tuple(value: Any, length: int) -> bool:
    return isinstance(value, tuple) and len(value) == length


class _Machine:
    """The stack machine; a method is one or more instructions of its programs."""

    def __init__(self, content: bytes | mmap) -> None:
        self._content, self._position = content, 0
        self._stack: list[Any] = []
        self._marks: list[int] = []  # heights of the stack
        self._memo: list[Any] = []

    def run(self) -> Any:
        """Run the program to its end and return what it leaves."""
        instructions = {
            ord(code): partial(getattr(self, method), *values)
            for code, (method, *values) in _INSTRUCTIONS.items()
        }
        content = self._content
        while (code := content[self._position]) != ord("."):
            self._position += 1
            act = instructions.get(code)
            if act is None:
                raise ValueError(f"it has the instruction {chr(code)!r}")
            act()
        return self._stack.pop()

    def _take(self, n_bytes: int) -> bytes:
        """Return the next bytes of the program."""
        start = self._position
        self._position += n_bytes
        if self._position > len(self._content):
            raise IndexError
        taken: bytes = self._content[start : self._position]
        return taken

    def _number(self, layout: Struct) -> Any:
        number = layout.unpack_from(self._content, self._position)[0]
        self._position += layout.size
        return number

    def _pop_to_mark(self) -> list[Any]:
        height = self._marks.pop()
        items = self._stack[height:]
        del self._stack[height:]
        return items

    def _top(self, kind: type) -> Any:
        """Return the top of the stack, which must be of a kind."""
        if type(self._stack[-1]) is not kind:
            raise ValueError(f"it takes something else for a {kind.__name__}")
        return self._stack[-1]

    def check_protocol(self) -> None:
        protocol = self._take(1)[0]
        if protocol not in (4, 5):
            raise ValueError(
                f"its pickle protocol is {protocol}; expected 4 or 5, as of "
                "KeyedVectors.save by gensim >= 4"
            )

    def skip_frame(self) -> None:
        self._take(8)

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def push_number(self, layout: Struct) -> None:
        self._stack.append(self._number(layout))

    def push_long(self) -> None:
        data = self._take(self._number(_U1))
        self._stack.append(int.from_bytes(data, "little", signed=True))

    def push_str(self, layout: Struct) -> None:
        data = self._take(self._number(layout))
        self._stack.append(data.decode("utf-8", "surrogatepass"))

    def push_bytes(self, layout: Struct) -> None:
        self._stack.append(self._take(self._number(layout)))

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def remember(self) -> None:
        self._memo.append(self._stack[-1])

    def recall(self, layout: Struct) -> None:
        self._stack.append(self._memo[self._number(layout)])

    def make_tuple(self, length: int | None = None) -> None:
        if length is None:
            items = self._pop_to_mark()
        else:
            items = [self._stack.pop() for _ in range(length)][::-1]
        self._stack.append(tuple(items))

    def push_list(self) -> None:
        self._stack.append([])

    def push_dict(self) -> None:
        self._stack.append({})

    def append(self, has_mark: bool) -> None:
        items = self._pop_to_mark() if has_mark else [self._stack.pop()]
        self._top(list).extend(items)

    def set_items(self, has_mark: bool) -> None:
        if not has_mark:
            self._marks.append(len(self._stack) - 2)
        items = self._pop_to_mark()
        # Of other keys the hash could run deep.
        if not all(type(key) in (str, int) for key in items[::2]):
            raise ValueError("it has keys that are neither str nor int")
        self._top(dict).update(zip(items[::2], items[1::2], strict=True))

    def push_name(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        is_text = type(module) is str and type(name) is str
        if not is_text or (module, name) not in _NAMES:
            raise ValueError(f"it refers to {module}.{name}" if is_text else "no name")
        self._stack.append(_Name(module, name))

    def note_call(self) -> None:
        arguments, maker = self._stack.pop(), self._stack.pop()
        self._stack.append(_Noted(maker, arguments))

    def note_state(self) -> None:
        state = self._stack.pop()
        self._top(_Noted).state = state


# The codes of pickle, each with the method that it calls and what this is told.
_INSTRUCTIONS: dict[str, tuple[Any, ...]] = {
    "\x80": ("check_protocol",),
    "\x95": ("skip_frame",),
    "N": ("push", None),
    "\x88": ("push", True),
    "\x89": ("push", False),
    ")": ("push", ()),
    "J": ("push_number", Struct("<i")),
    "K": ("push_number", _U1),
    "M": ("push_number", _U2),
    "G": ("push_number", Struct(">d")),
    "\x8a": ("push_long",),
    "\x8c": ("push_str", _U1),
    "X": ("push_str", _U4),
    "C": ("push_bytes", _U1),
    "B": ("push_bytes", _U4),
    "\x8e": ("push_bytes", _U8),
    "\x96": ("push_bytes", _U8),
    "]": ("push_list",),
    "\x8f": ("push_list",),  # a set
    "}": ("push_dict",),
    "\x85": ("make_tuple", 1),
    "\x86": ("make_tuple", 2),
    "\x87": ("make_tuple", 3),
    "t": ("make_tuple",),
    "\x91": ("make_tuple",),  # a frozenset
    "a": ("append", False),
    "e": ("append", True),
    "\x90": ("append", True),
    "s": ("set_items", False),
    "u": ("set_items", True),
    "(": ("mark",),
    "\x94": ("remember",),
    "h": ("recall", _U1),
    "j": ("recall", _U4),
    "\x93": ("push_name",),
    "R": ("note_call",),
    "\x81": ("note_call",),
    "b": ("note_state",),
}
