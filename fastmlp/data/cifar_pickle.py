"""A restricted unpickler for the Python version of CIFAR-10, which imports and runs nothing that a pickle names.

A pickle is a program. Python 2 wrote these pickles, with a few of the format's opcodes and three names from NumPy. Here
those names are replaced by harmless classes, and any other opcode or name is an error. Python's unpickler in C was
rejected: it takes the length of its memo from the file, and nine bytes made it allocate half a gigabyte.
"""

import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fastmlp.data.check import Array
from fastmlp.errors import FileFormatError
from fastmlp.io.bounded import BoundedStream, Readable

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
    r"""Read a batch of CIFAR-10, a pickled dictionary.

    Parameters
    ----------
    stream : file object
        Opened in binary mode.
    n_bytes : int
        Size of the pickle, and the most that is read.
    name : str
        Name of the file in error messages.
    n_pixels : int
        Number of its bytes that are pixels. The others are opcodes, each of which may take 60 bytes of memory.

    Returns
    -------
    dict
        The batch; strings of Python 2 become bytes, arrays are uint8.

    Raises
    ------
    FileFormatError
        If the pickle is damaged, or has an opcode, name or type that the official files do not have.

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
    except Exception as error:  # damaged pickles may raise anything
        raise FileFormatError(f"{name} is not a batch of CIFAR-10: {type(error).__name__}, {error}") from error


def _fields(batch: object) -> dict[Any, Any]:
    if not isinstance(batch, dict):
        raise FileFormatError(f"expected a dict, got a {type(batch).__name__}")
    return {key: value.pixels if isinstance(value, _PickledArray) else value for key, value in batch.items()}


class _PickledDtype:
    """Replacement for numpy.dtype; only uint8 is accepted."""

    def __init__(self, code: bytes, align: int, copy: int) -> None:
        if code != b"u1":
            raise FileFormatError(f"expected an array of dtype b'u1', got dtype {code!r}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Ignore byte order and alignment, which are irrelevant to single bytes."""


class _PickledArray:
    """Replacement for numpy.ndarray: a shape and the bytes."""

    pixels: Array

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _PickledDtype) or not isinstance(raw, np.ndarray) or fortran:
            raise FileFormatError("expected an array of bytes in row-major order, got another one")
        self.pixels = raw.reshape(shape)


def _reconstruct(kind: type[_PickledArray], shape: object, code: object) -> _PickledArray:
    if kind is not _PickledArray:
        raise FileFormatError("expected arrays of class numpy.ndarray, got another class")
    return _PickledArray()


GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _PickledArray,
    ("numpy", "dtype"): _PickledDtype,
}


def _refuse_opcode(code: int) -> Callable[[Any], None]:
    def refuse(unpickler: Any) -> None:
        raise FileFormatError(f"it has the pickle opcode {bytes([code])!r}, which no official file has")

    return refuse


#: Methods of Python's unpickler by opcode.
DISPATCH: dict[int, Callable[[Any], None]] = dict(pickle._Unpickler.dispatch)


class _Unpickler(pickle._Unpickler):
    """Python's unpickler in pure Python, with fewer opcodes."""

    stack: list[Any]
    append: Callable[[Any], None]

    def __init__(self, stream: Readable, n_bytes: int, n_pixels: int) -> None:
        self.bounded_stream = BoundedStream(stream, n_bytes - n_pixels, "it")
        super().__init__(self.bounded_stream, encoding="bytes")
        self.n_pixels = n_pixels

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in GLOBALS:
            raise FileFormatError(f"it names {module}.{name}, which no official file does")
        return GLOBALS[module, name]

    def load_pixels(self) -> None:
        """Read the 31 MB of pixels, a string too long for SHORT_BINSTRING, into an array without a copy."""
        n_bytes = int.from_bytes(self.bounded_stream.read(4), "little")
        if n_bytes > self.n_pixels:
            raise FileFormatError(f"it claims to hold {n_bytes:,} bytes of pixels; at most {self.n_pixels:,} are left")
        self.n_pixels -= n_bytes
        self.bounded_stream.allow(n_bytes)
        self.append(self.bounded_stream.read_array(n_bytes))

    def load_setitem(self) -> None:
        _check_keys(self.stack[-2:-1])
        DISPATCH[pickle.SETITEM[0]](self)

    def load_setitems(self) -> None:
        _check_keys(self.stack[::2])
        DISPATCH[pickle.SETITEMS[0]](self)

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{code: _refuse_opcode(code) for code in range(256)},
        **{code[0]: DISPATCH[code[0]] for code in OPCODES},
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.BINSTRING[0]: load_pixels,
    }


def _check_keys(keys: list[object]) -> None:
    """Refuse keys that are not strings: hashing tuples nested half a million deep crashes the process."""
    for key in keys:
        if not isinstance(key, bytes):
            raise FileFormatError(f"expected strings as keys, got a {type(key).__name__}")
