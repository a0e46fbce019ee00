"""NumPy ``.npz`` archives: bounded reading without unpickling, and files of a JSON header and arrays."""

import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataNotFoundError, FileFormatError
from fastmlp.io.atomic import write_atomic
from fastmlp.io.bounded import PIECE_BYTES, Array, max_decompressed_bytes, read_up_to
from fastmlp.io.manifest import add_manifest, check_array, remove_manifest
from fastmlp.io.npy import Header, read_npy_header
from fastmlp.io.regular_file import regular_opener

Arrays = Mapping[str, NDArray[Any]]

#: Length of the end record of a zip file, and the number of members there that means that it is in the zip64 record.
END_BYTES, ZIP64 = 22, 0xFFFF
#: Bytes of a header that may decompress from fewer. `write_npz` compresses nothing, and parsed JSON takes up to five
#: times the bytes of its text in an ``.npz`` file, which has four per character.
MIN_HEADER_BOUND = 1 << 20


class _LimitedFile(io.FileIO):
    """A file whose reads are limited to `PIECE_BYTES`: zipfile reads the central directory, of any length, in one."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, opener=regular_opener)

    def read(self, n_bytes: int | None = -1) -> bytes:
        data = super().read(n_bytes if n_bytes is not None and 0 <= n_bytes <= PIECE_BYTES else PIECE_BYTES + 1)
        if data is None or len(data) > PIECE_BYTES:
            raise FileFormatError(
                f"{self.name}: expected a list of members (zip central directory) of at most {PIECE_BYTES:,} bytes, "
                "got a longer one"
            )
        return data


class Npz(Mapping[str, Array]):
    """The arrays of an ``.npz`` file, each read on access.

    The sizes in the archive are not trusted. Uncompressed members must fit into the file. Compressed ones are allocated
    as their bytes arrive, up to `fastmlp.io.bounded.max_decompressed_bytes` for all of them together.

    A member's name is in the archive twice and has no checksum. The names of all members are compared when the archive
    is opened: otherwise an optional array whose name was damaged would silently be missing.

    Parameters
    ----------
    path : pathlib.Path
        The file. Use the object in a ``with`` statement, which closes it.

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
        self._path, self._file = path, _LimitedFile(path)
        #: Digests of arrays by name, with which they are compared when they are read.
        self.manifest: Mapping[str, str] = {}
        try:
            self._zip = zipfile.ZipFile(self._file)
            members = self._zip.infolist()
            _check_sizes(path, members, os.fstat(self._file.fileno()).st_size)
            self._check_names(members)
        except BaseException:
            self._file.close()
            raise
        arrays = [member for member in members if member.filename.endswith(".npy")]
        self._members = {member.filename.removesuffix(".npy"): member for member in arrays}

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
        """Read the header of an array.

        Parameters
        ----------
        name : str
            Name of the array.

        Returns
        -------
        Header
            Its shape, dtype and memory layout.

        Raises
        ------
        KeyError
            If there is no array of this name.
        FileFormatError, DataError
            As `read_npy_header` does, and for a compression method that NumPy does not write.
        """
        with self._open(self._members[name]) as stream:
            return read_npy_header(stream, self._members[name].file_size, self._place(name))

    def __getitem__(self, name: str) -> Array:
        return self.read(name)

    def read(self, name: str, *, accepts_empty: bool = False) -> Array:
        """Read an array.

        Parameters
        ----------
        name : str
            Name of the array.
        accepts_empty : bool
            Whether it may be empty.

        Returns
        -------
        numpy.ndarray

        Raises
        ------
        KeyError
            If there is no array of this name.
        FileFormatError, DataError
            As `header` does, and if the array is damaged.
        """
        member = self._members[name]
        with self._open(member) as stream:
            header = read_npy_header(stream, member.file_size, self._place(name), accepts_empty=accepts_empty)
            raw = read_up_to(stream, header.n_bytes, preallocate=member.compress_type == zipfile.ZIP_STORED)
            stream.read(1)  # zipfile compares the CRC-32 sum of a compressed member only after its end
        if len(raw) < header.n_bytes:
            raise FileFormatError(f"{self._place(name)} ends after {len(raw):,} of {header.n_bytes:,} bytes")
        array = raw.view(header.dtype).reshape(header.shape, order=header.order)
        check_array(array, name, self.manifest)
        return array

    def _check_names(self, members: list[zipfile.ZipInfo]) -> None:
        """Check that no name is missing or there twice, and that each is the same in the list and at the member."""
        # zipfile does not compare the number: with one wrong length an entry of the list hides those after it.
        self._file.seek(-END_BYTES - len(self._zip.comment), os.SEEK_END)
        end = self._file.read(END_BYTES)
        n_listed = int.from_bytes(end[10:12], "little")
        if end[:4] != b"PK\x05\x06" or n_listed not in (len(members), ZIP64):
            raise FileFormatError(f"{self._path}: expected {n_listed} members, as listed, got {len(members)}")
        for name, n in Counter(member.filename for member in members).items():
            if n > 1:
                raise FileFormatError(f"{self._path}: expected members of different names, got {n} called {name!r}")
        for member in members:
            self._open(member).close()

    def pop(self, name: str) -> Array:
        """Read an array, and leave it out from now on.

        Parameters
        ----------
        name : str
            Name of the array.

        Returns
        -------
        numpy.ndarray

        Raises
        ------
        KeyError
            If there is no array of this name.
        FileFormatError, DataError
            As `header` does, and if the array is damaged.
        """
        array = self[name]
        del self._members[name]
        return array

    def _place(self, name: str) -> str:
        return f"{self._path}/{name}.npy"

    def _open(self, member: zipfile.ZipInfo) -> Any:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileFormatError(
                f"{self._path}/{member.filename}: expected no compression or deflate, which NumPy writes, got the zip "
                f"format's compression method {member.compress_type}"
            )
        return self._zip.open(member)


def _check_sizes(path: Path, members: list[zipfile.ZipInfo], n_bytes: int) -> None:
    """Compare the total size of all members, which may overlap, with the length of the file and the allowed ratio."""
    stored = sum(member.file_size for member in members if member.compress_type == zipfile.ZIP_STORED)
    claimed, bound = sum(member.file_size for member in members), max_decompressed_bytes(n_bytes)
    if stored > n_bytes or claimed > bound:
        raise FileFormatError(
            f"{path} claims to hold {claimed:,} bytes, {stored:,} of them uncompressed; the file has {n_bytes:,} "
            f"bytes, and may decompress to at most {bound:,}"
        )


def write_npz(
    path: str | os.PathLike[str],
    kind: str,
    version: int,
    header: Mapping[str, Any],
    arrays: Arrays,
    previous: Path | None = None,
) -> None:
    """Write a header with a manifest, and arrays, to an ``.npz`` file, atomically.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        Kind of content, such as ``"model"``.
    version : int
        Version of the layout of this kind of file.
    header : mapping
        Values that JSON can represent.
    arrays : mapping of str to ndarray
        Arrays by name.
    previous : pathlib.Path, optional
        Path in the same folder under which the replaced file is kept.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    text = json.dumps(add_manifest({"format": f"fastmlp {kind}", "version": version, **header}, arrays))
    write_atomic(path, kind, lambda file: _save(file, text, arrays), previous)


def _save(file: IO[bytes], header: str, arrays: Arrays) -> None:
    """`numpy.savez`. zipfile turns Ctrl-C into a ValueError, since it cannot close the file; here it stays Ctrl-C."""
    try:
        np.savez(file, allow_pickle=False, header=header, **arrays)
    except ValueError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise


@contextmanager
def read_npz(path: str | os.PathLike[str], kind: str, version: int) -> Iterator[tuple[dict[str, Any], Npz]]:
    """Open a file that `write_npz` wrote.

    Any error that the ``with`` block raises is taken as one of the file, and raised as a `FileFormatError`.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        Expected kind of content.
    version : int
        Expected version.

    Yields
    ------
    header, arrays : mapping
        As they were written; each array is read on access.

    Raises
    ------
    DataNotFoundError
        If the file is missing, or the operating system refuses to open it.
    FileFormatError
        If it is damaged or lacks an array, is of another kind or version, or the block raises an error.

    Warns
    -----
    UserWarning
        If the file has no checksums, as those of earlier versions.

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
    with refuse_damaged(path, kind), Npz(path) as arrays:
        if arrays.header("header").n_bytes > max(MIN_HEADER_BOUND, path.stat().st_size):
            raise ValueError("its header is larger than the file, which compresses it")
        header = json.loads(str(arrays.pop("header")))
        check_format(header, kind, version)
        header, arrays.manifest = remove_manifest(header, arrays, path)
        yield header, arrays


@contextmanager
def refuse_damaged(path: str | os.PathLike[str], kind: str) -> Iterator[None]:
    """Raise any error of reading a file with a header as `DataNotFoundError` or `FileFormatError`.

    Examples
    --------
    >>> with refuse_damaged("ramp.npz", "ramp"):
    ...     raise ValueError("its header is empty")
    Traceback (most recent call last):
    fastmlp.errors.FileFormatError: ramp.npz is not a ramp that this fastmlp reads: its header is empty
    """
    try:
        yield
    except FileNotFoundError as error:
        raise DataNotFoundError(f"there is no {kind} at {path}") from error
    except Exception as error:  # damaged files may raise anything
        if isinstance(error, OSError) and error.filename is not None:  # from opening the file
            raise DataNotFoundError(f"the {kind} at {path} cannot be read: {error.strerror}") from error
        raise FileFormatError(f"{path} is not a {kind} that this fastmlp reads: {error}") from error


def check_format(header: Mapping[str, Any], kind: str, version: int) -> None:
    """Refuse a header of another kind of file or another version."""
    if header.get("format") != f"fastmlp {kind}":
        raise ValueError(f"expected the format 'fastmlp {kind}', got {header.get('format')!r}")
    if header.get("version") != version:
        raise ValueError(f"expected version {version}, got {header.get('version')!r}")
