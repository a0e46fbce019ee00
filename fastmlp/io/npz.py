"""NumPy ``.npz`` archives: bounded reading, and files of a header and arrays. Nothing is ever unpickled."""

import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataNotFoundError, FileFormatError
from fastmlp.io.atomic import write_atomic
from fastmlp.io.bounded import PIECE_BYTES, Array, gather, max_decompressed_bytes
from fastmlp.io.npy import Header, read_npy_header

Arrays = Mapping[str, NDArray[Any]]


class _Pieces(io.FileIO):
    """A file that is never read in larger pieces: a zip's list of members is read at once, however long it is."""

    def read(self, n_bytes: int | None = -1) -> bytes:
        piece = super().read(n_bytes if n_bytes is not None and 0 <= n_bytes <= PIECE_BYTES else PIECE_BYTES + 1)
        if piece is None or len(piece) > PIECE_BYTES:
            raise FileFormatError(f"{self.name} has a list of members longer than {PIECE_BYTES:,} bytes")
        return piece


class Npz(Mapping[str, Array]):
    """The arrays of an ``.npz`` file, each read when it is asked for.

    What the members claim to hold is not believed: those stored as they are must fit into the file, and what is
    compressed takes memory only as its bytes come, up to `fastmlp.io.bounded.max_decompressed_bytes` for all together.

    Parameters
    ----------
    path : pathlib.Path
        The file, to be closed by a ``with`` block.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/eye.npz", X=np.eye(3))
    ...     with Npz(Path(folder, "eye.npz")) as arrays:
    ...         list(arrays), arrays.header("X").shape, arrays["X"][1]
    (['X'], (3, 3), array([0., 1., 0.]))
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, _Pieces(path)
        try:
            self._zip = zipfile.ZipFile(self._file)
            _refuse_claims(path, self._zip.infolist(), os.fstat(self._file.fileno()).st_size)
        except BaseException:
            self._file.close()
            raise
        members = [member for member in self._zip.infolist() if member.filename.endswith(".npy")]
        self._members = {member.filename.removesuffix(".npy"): member for member in members}

    def __enter__(self) -> "Npz":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def header(self, name: str) -> Header:
        """What an array is, before it is read.

        Parameters
        ----------
        name : str
            The array's.

        Returns
        -------
        Header

        Raises
        ------
        KeyError
            If there is none of this name.
        FileFormatError, DataError
            As `read_npy_header` does, and where the member is compressed in a way that NumPy does not write.
        """
        with self._open(name) as stream:
            return read_npy_header(stream, self._members[name].file_size, self._place(name))

    def __getitem__(self, name: str) -> Array:
        member = self._members[name]
        with self._open(name) as stream:
            header = read_npy_header(stream, member.file_size, self._place(name))
            octets = gather(stream, header.n_bytes, is_sure=member.compress_type == zipfile.ZIP_STORED)
        if len(octets) < header.n_bytes:
            raise FileFormatError(f"{self._place(name)} ends after {len(octets):,} of {header.n_bytes:,} bytes")
        return octets.view(header.dtype).reshape(header.shape, order=header.order)

    def _place(self, name: str) -> str:
        return f"{self._path}/{name}.npy"

    def _open(self, name: str) -> Any:
        member = self._members[name]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileFormatError(f"{self._place(name)} is compressed in a way that NumPy does not write")
        return self._zip.open(member)


def _refuse_claims(path: Path, members: list[zipfile.ZipInfo], n_bytes: int) -> None:
    """All members together, for they may overlap: what is stored fits into the file, the rest into a bound."""
    stored = sum(member.file_size for member in members if member.compress_type == zipfile.ZIP_STORED)
    claimed, bound = sum(member.file_size for member in members), max_decompressed_bytes(n_bytes)
    if stored > n_bytes or claimed > bound:
        raise FileFormatError(
            f"{path} claims to hold {claimed:,} bytes, {stored:,} of them as they are; the file has {n_bytes:,}, and "
            f"{bound:,} are the most that it may unfold to"
        )


def write_npz(
    path: str | os.PathLike[str],
    kind: str,
    version: int,
    header: Mapping[str, Any],
    arrays: Arrays,
    previous: Path | None = None,
) -> None:
    """Write a header and arrays, by way of `write_atomic`.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        What the archive is, such as ``"model"``.
    version : int
        Of the kind's layout.
    header : mapping
        What JSON can hold.
    arrays : mapping of str to ndarray
        What it cannot.
    previous : pathlib.Path, optional
        Where the file that was there is kept, in the same folder.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    title = json.dumps({"format": f"fastmlp {kind}", "version": version, **header})
    write_atomic(path, kind, lambda file: np.savez(file, allow_pickle=False, header=title, **arrays), previous)


@contextmanager
def read_npz(path: str | os.PathLike[str], kind: str, version: int) -> Iterator[tuple[dict[str, Any], Npz]]:
    """Open what `write_npz` wrote; an error in the ``with`` block is one of the file.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        What it must be.
    version : int
        The version that is read.

    Yields
    ------
    header, arrays : mapping
        As they were written; an array is read when it is asked for.

    Raises
    ------
    DataNotFoundError
        If there is no such file, or the system does not let it be read.
    FileFormatError
        If it is damaged, of another kind or version, or not what the block makes of it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "ramp.npz")
    ...     write_npz(path, "ramp", 1, {"start": 0}, {"y": np.arange(3)})
    ...     with read_npz(path, "ramp", 1) as (header, arrays):
    ...         header["start"], arrays["y"]
    (0, array([0, 1, 2]))
    """
    path = Path(path)
    try:
        with Npz(path) as arrays:
            header = json.loads(str(arrays["header"]))
            _check_title(header, kind, version)
            yield header, arrays
    except FileNotFoundError as error:
        raise DataNotFoundError(f"there is no {kind} at {path}") from error
    except Exception as error:  # bytes that are something else raise whatever they spell
        if isinstance(error, OSError) and error.filename is not None:  # but this is the system's answer to opening it
            raise DataNotFoundError(f"the {kind} at {path} cannot be read: {error.strerror}") from error
        raise FileFormatError(f"{path} is not a {kind} that this fastmlp reads: {error}") from error


def _check_title(header: dict[str, Any], kind: str, version: int) -> None:
    if header["format"] != f"fastmlp {kind}":
        raise ValueError(f"its format is {header['format']!r}")
    if header["version"] != version:
        raise ValueError(f"it has version {header['version']!r}; version {version} is read")
