"""Pickled: reads the pickles of CIFAR-10's Python version, and nothing else that a pickle can say. Imports nothing.

A pickle is a program. Python 2 wrote these, with a few of the format's instructions and three names of NumPy's; here
those names stand for harmless records, and any other instruction or name is an error. Python's unpickler in C was
rejected: it takes the length of its memo from the file, and nine bytes made it allocate half a gigabyte.
"""

import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fastmlp.data.check import Array
from fastmlp.errors import FileFormatError
from fastmlp.io.bounded import Bounded, Readable

OPCODES = (
    pickle.PROTO, pickle.STOP, pickle.MARK,
    pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS,
    pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS,
    pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3,
    pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.NONE, pickle.NEWFALSE, pickle.SHORT_BINSTRING,
    pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET,
    pickle.GLOBAL, pickle.REDUCE, pickle.BUILD,
)  # fmt: skip


def read_pickle(stream: Readable, n_bytes: int, name: str, n_pixels: int = 0) -> dict[Any, Any]:
    r"""Read one pickled dictionary as CIFAR-10's authors wrote it.

    Parameters
    ----------
    stream : file object
        Opened in binary mode.
    n_bytes : int
        Size of the pickle; it may not ask for more.
    name : str
        What messages call it.
    n_pixels : int
        How many of its bytes are pixels. The rest are instructions, each of which may take 60 bytes of memory.

    Returns
    -------
    dict
        Strings of Python 2 are bytes; arrays are uint8.

    Raises
    ------
    FileFormatError
        If it is damaged, or holds anything that those files do not hold.

    Examples
    --------
    >>> import io
    >>> from fastmlp.data.cifar_pickle import read_pickle
    >>> pickled = b"\x80\x02}U\x06labels]K\x07as."
    >>> read_pickle(io.BytesIO(pickled), len(pickled), "data_batch_1")
    {b'labels': [7]}
    """
    try:
        return _fields(_Unpickler(stream, n_bytes, n_pixels).load())
    except FileFormatError as error:
        raise FileFormatError(f"{name} is not a batch of CIFAR-10: {error}") from error
    except Exception as error:  # what a damaged pickle raises is not specified
        raise FileFormatError(f"{name} is not a batch of CIFAR-10: {type(error).__name__}, {error}") from error


def _fields(batch: object) -> dict[Any, Any]:
    if not isinstance(batch, dict):
        raise FileFormatError(f"it holds a {type(batch).__name__} instead of a dict")
    return {key: value.pixels if isinstance(value, _PickledArray) else value for key, value in batch.items()}


class _PickledDtype:
    """Stands for numpy.dtype; the only one accepted is uint8."""

    def __init__(self, code: bytes, align: int, copy: int) -> None:
        if code != b"u1":
            raise FileFormatError(f"it holds an array of dtype {code!r} instead of b'u1'")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Byte order and alignment, which single bytes do not have."""


class _PickledArray:
    """Stands for numpy.ndarray: a shape and the bytes."""

    pixels: Array

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _PickledDtype) or not isinstance(raw, np.ndarray) or fortran:
            raise FileFormatError("it holds an array whose state is not that of rows of bytes")
        self.pixels = raw.reshape(shape)


def _reconstruct(kind: type[_PickledArray], shape: object, code: object) -> _PickledArray:
    if kind is not _PickledArray:
        raise FileFormatError("it builds an array of something else than numpy.ndarray")
    return _PickledArray()


GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _PickledArray,
    ("numpy", "dtype"): _PickledDtype,
}


def _refuse_opcode(code: int) -> Callable[[Any], None]:
    def refuse(unpickler: Any) -> None:
        raise FileFormatError(f"it holds the pickle instruction {bytes([code])!r}, which those files do not")

    return refuse


PLAIN: dict[int, Callable[[Any], None]] = dict(pickle._Unpickler.dispatch)


class _Unpickler(pickle._Unpickler):
    """Python's unpickler in Python, its table of instructions narrowed."""

    stack: list[Any]
    append: Callable[[Any], None]

    def __init__(self, stream: Readable, n_bytes: int, n_pixels: int) -> None:
        self.text = Bounded(stream, n_bytes - n_pixels, "it")
        super().__init__(self.text, encoding="bytes")
        self.n_pixels = n_pixels

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in GLOBALS:
            raise FileFormatError(f"it names {module}.{name}, which those files do not")
        return GLOBALS[module, name]

    def load_pixels(self) -> None:
        """Read a string too long for SHORT_BINSTRING, the 31 MB of pixels, once and into an array."""
        n_bytes = int.from_bytes(self.text.read(4), "little")
        if n_bytes > self.n_pixels:
            raise FileFormatError(f"it claims to hold {n_bytes:,} bytes of pixels; {self.n_pixels:,} are left")
        self.n_pixels -= n_bytes
        self.text.allow(n_bytes)
        self.append(self.text.read_array(n_bytes))

    def load_setitem(self) -> None:
        _refuse_keys(self.stack[-2:-1])
        PLAIN[pickle.SETITEM[0]](self)

    def load_setitems(self) -> None:
        _refuse_keys(self.stack[::2])
        PLAIN[pickle.SETITEMS[0]](self)

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{code: _refuse_opcode(code) for code in range(256)},
        **{code[0]: PLAIN[code[0]] for code in OPCODES},
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.BINSTRING[0]: load_pixels,
    }


def _refuse_keys(keys: list[object]) -> None:
    """A tuple within a tuple, half a million times, ends the process when its hash is asked for."""
    for key in keys:
        if not isinstance(key, bytes):
            raise FileFormatError(f"it has a {type(key).__name__} for a key; strings are expected")
