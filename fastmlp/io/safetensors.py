"""Safetensors files of a JSON header and arrays, like the ``.npz`` files of `fastmlp.io.npz`.

The header is in the file's metadata. The format has no checksum; the manifest in the header has one of every array and
of the header itself (`fastmlp.io.manifest`).
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from fastmlp.errors import MissingExtraError
from fastmlp.io.atomic import write_atomic
from fastmlp.io.manifest import add_manifest, check_array, remove_manifest
from fastmlp.io.npz import Arrays, check_format, refuse_damaged
from fastmlp.io.regular_file import open_regular

SUFFIX = ".safetensors"


def write_safetensors(
    path: str | os.PathLike[str], kind: str, version: int, header: Mapping[str, Any], arrays: Arrays
) -> None:
    """Write a header and arrays to a ``.safetensors`` file, atomically; see `fastmlp.io.npz.write_npz`.

    Raises
    ------
    MissingExtraError
        If safetensors is not installed.
    OutputError
        If the file cannot be written.
    """
    save = _require_safetensors().numpy.save
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = json.dumps(add_manifest({"format": f"fastmlp {kind}", "version": version, **header}, arrays))
    content = save(arrays, {"header": text})
    write_atomic(path, kind, lambda file: file.write(content))


@contextmanager
def read_safetensors(path: str | os.PathLike[str], kind: str, version: int) -> Iterator[tuple[dict[str, Any], Arrays]]:
    """Open a file that `write_safetensors` wrote; see `fastmlp.io.npz.read_npz`.

    Yields
    ------
    header, arrays : mapping
        As they were written.

    Raises
    ------
    MissingExtraError
        If safetensors is not installed.
    DataNotFoundError
        If the file is missing.
    FileFormatError
        If it is damaged, of another kind or version, or the ``with`` block raises an error.

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
    with refuse_damaged(path, kind):
        # The library opens the path by itself: this one only makes sure that it is a regular file.
        with open_regular(path), safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["header"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        check_format(header, kind, version)
        header, manifest = remove_manifest(header, arrays, path)
        for name, array in arrays.items():
            check_array(array, name, manifest)
        yield header, arrays


def _require_safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingExtraError("safetensors", "safetensors", f"A {SUFFIX} file") from None
    return safetensors
