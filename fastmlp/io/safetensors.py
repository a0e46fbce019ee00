"""Tensors: a header and arrays in one ``.safetensors`` file, as `fastmlp.io.npz` keeps them in an ``.npz``.

The header is JSON in the file's metadata. The format has no checksum, so the header has one of itself and of every
array: a damaged file is refused as a damaged ``.npz`` is.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from fastmlp.errors import DataNotFoundError, FileFormatError, MissingExtraError
from fastmlp.io.atomic import write_atomic
from fastmlp.io.npz import Arrays

SUFFIX = ".safetensors"


def write_safetensors(
    path: str | os.PathLike[str], kind: str, version: int, header: Mapping[str, Any], arrays: Arrays
) -> None:
    """Write a file whole or not at all; arguments and errors are those of `fastmlp.io.npz.write_npz`.

    Raises
    ------
    MissingExtraError
        If safetensors is not installed.
    OutputError
        If the file cannot be written.
    """
    save = _require_safetensors().numpy.save
    title = {"format": f"fastmlp {kind}", "version": version, **header}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = json.dumps({**title, "checksum": _checksum(title, arrays)})
    octets = save(arrays, {"header": text})
    write_atomic(path, kind, lambda file: file.write(octets))


@contextmanager
def read_safetensors(path: str | os.PathLike[str], kind: str, version: int) -> Iterator[tuple[dict[str, Any], Arrays]]:
    """Open what `write_safetensors` wrote; arguments and errors are those of `fastmlp.io.npz.read_npz`.

    Yields
    ------
    header, arrays : mapping
        As they were written.

    Raises
    ------
    MissingExtraError
        If safetensors is not installed.
    DataNotFoundError
        If there is no such file.
    FileFormatError
        If it is damaged, of another kind or version, or not what the block makes of it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_safetensors(f"{folder}/ramp.safetensors", "ramp", 1, {"start": 0}, {"y": np.arange(3)})
    ...     with read_safetensors(f"{folder}/ramp.safetensors", "ramp", 1) as (header, arrays):
    ...         header["start"], arrays["y"]
    (0, array([0, 1, 2]))
    """
    safe_open = _require_safetensors().safe_open
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["header"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        checksum = header.pop("checksum")
        if header["format"] != f"fastmlp {kind}":
            raise ValueError(f"its format is {header['format']!r}")
        if header["version"] != version:
            raise ValueError(f"it has version {header['version']!r}; version {version} is read")
        if checksum != _checksum(header, arrays):
            raise ValueError("its checksum is that of other content")
        yield header, arrays
    except FileNotFoundError as error:
        raise DataNotFoundError(f"there is no {kind} at {path}") from error
    except Exception as error:  # bytes that are something else raise whatever they spell
        raise FileFormatError(f"{path} is not a {kind} that this fastmlp reads: {error}") from error


def _checksum(title: Mapping[str, Any], arrays: Arrays) -> str:
    code = zlib.crc32(json.dumps(title).encode())
    for name, array in sorted(arrays.items()):
        code = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), code)
        code = zlib.crc32(array.tobytes(), code)
    return f"{code:08x}"


def _require_safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingExtraError("safetensors", "safetensors", f"A {SUFFIX} file") from None
    return safetensors
