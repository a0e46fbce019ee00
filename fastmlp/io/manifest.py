"""Manifests: checksums in the header of a file, by which a file that is damaged or lost an array is refused.

The header of a model file or a checkpoint lists the names of its arrays, each with a SHA-256 digest of its dtype, shape
and content, and has a digest of itself. The CRC-32 sums of a zip archive are not enough: they do not cover the names of
its members, so that one flipped bit would rename an optional array, and the file would load without it.
"""

import hashlib
import json
import os
import warnings
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Fields = Mapping[str, Any]

#: Warning for a file that loads unverified.
NO_CHECKSUM = "written without a checksum, as earlier versions did: damage may go unnoticed; a file saved anew has one"
MISMATCH = "its checksum does not match its content"


def add_checksum(fields: Fields) -> dict[str, Any]:
    """Add a checksum of all fields, and of their order, to the fields of a JSON object.

    Examples
    --------
    >>> add_checksum({"a": 1})["checksum"][:16]
    'f9d86028c6e0d64e'
    """
    return {**fields, "checksum": _digest_fields(fields)}


def remove_checksum(fields: Fields) -> dict[str, Any]:
    """Verify the checksum that `add_checksum` added, and return the fields without it.

    Raises
    ------
    ValueError
        If there is none, or it does not match the fields.

    Examples
    --------
    >>> remove_checksum(add_checksum({"a": 1}))
    {'a': 1}
    >>> remove_checksum(add_checksum({"a": 1}) | {"a": 2})
    Traceback (most recent call last):
        ...
    ValueError: its checksum does not match its content
    """
    rest = dict(fields)
    if rest.pop("checksum", None) != _digest_fields(rest):
        raise ValueError(MISMATCH)
    return rest


def add_manifest(header: Fields, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Add a digest of each array, and a checksum of the header with these digests, to a file's header.

    Examples
    --------
    >>> list(add_manifest({"start": 0}, {"y": np.arange(3)}))
    ['start', 'manifest', 'checksum']
    """
    return add_checksum({**header, "manifest": {name: digest_array(array) for name, array in arrays.items()}})


def remove_manifest(
    header: Fields, arrays: Mapping[str, NDArray[Any]], path: str | os.PathLike[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Verify a file's header, and that it has exactly the arrays that were written.

    Parameters
    ----------
    header : mapping
        As read. Of a file without a manifest, as earlier versions wrote, all arrays are read and verified by its one
        checksum.
    arrays : mapping of str to ndarray
        The arrays in the file by name.
    path : path-like
        The file, for the warning.

    Returns
    -------
    header : dict
        Without the manifest and the checksum.
    manifest : dict
        Digest of each array by its name, for `check_array`; empty for a file without a manifest.

    Raises
    ------
    ValueError
        If the header is damaged, or an array is missing or unknown.

    Warns
    -----
    UserWarning
        If the file has no checksum at all, as the first model files in the ``.npz`` format.

    Examples
    --------
    >>> header = add_manifest({"start": 0}, {"y": np.arange(3)})
    >>> remove_manifest(header, {"y": np.arange(3)}, "x.npz")[0]
    {'start': 0}
    >>> remove_manifest(header, {}, "x.npz")
    Traceback (most recent call last):
        ...
    ValueError: expected the arrays y, as in its manifest, got none
    """
    if "manifest" not in header:
        if "checksum" in header:
            return _check_old_checksum(header, arrays), {}
        # Shown for the caller of the function that uses `read_npz`.
        warnings.warn(f"{os.fspath(path)}: {NO_CHECKSUM}", stacklevel=6)
        return dict(header), {}
    fields = remove_checksum(header)
    manifest = fields.pop("manifest")
    if set(manifest) != set(arrays):
        expected, got = (", ".join(sorted(these)) or "none" for these in (manifest, arrays))
        raise ValueError(f"expected the arrays {expected}, as in its manifest, got {got}")
    return fields, manifest


def digest_array(array: NDArray[Any]) -> str:
    """SHA-256 digest of an array's dtype, shape and content, whatever its memory layout.

    Examples
    --------
    >>> digest_array(np.arange(3, dtype=np.int64))[:16]
    'dcc6b75e6f299be8'
    """
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(_bytes_of(array))
    return digest.hexdigest()


def check_array(array: NDArray[Any], name: str, manifest: Mapping[str, str]) -> None:
    """Compare an array with its digest in a manifest, if it is in there.

    Raises
    ------
    ValueError
        If it differs.

    Examples
    --------
    >>> check_array(np.arange(3), "y", {"y": digest_array(np.arange(3))})
    """
    if name in manifest and digest_array(array) != manifest[name]:
        raise ValueError(f"its array {name!r} does not match its checksum")


def _check_old_checksum(header: Fields, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Verify the one checksum of header and arrays that files had before there were manifests.

    It is a SHA-256 digest in a checkpoint, without the header's format and version; a CRC-32 sum in ``.safetensors``.
    """
    fields = dict(header)
    checksum = fields.pop("checksum")
    described = fields if len(str(checksum)) == 8 else {n: fields[n] for n in fields if n not in ("format", "version")}
    digest, code = hashlib.sha256(json.dumps(described).encode()), zlib.crc32(json.dumps(described).encode())
    for name in sorted(arrays):
        array = arrays[name]
        description, content = f"{name} {array.dtype.str} {array.shape}", _bytes_of(array)
        digest.update(f"{description}\n".encode())
        digest.update(content)
        code = zlib.crc32(content, zlib.crc32(description.encode(), code))
    if checksum not in (digest.hexdigest(), f"{code:08x}"):
        raise ValueError(MISMATCH)
    return fields


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _digest_fields(fields: Fields) -> str:
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()
