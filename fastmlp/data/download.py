"""Download of a file from the first URL that works, with resumption of interrupted downloads.

Pooch verifies the checksum and moves the complete file to its final path. Until then the bytes are in a file with the
suffix ``.part`` beside it, and the download can be resumed from any URL of the same file.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastmlp.data.urls import Mirrors, RemoteFile
from fastmlp.errors import DataNotFoundError, MissingExtraError, OutputError
from fastmlp.io.regular_file import check_regular

TIMEOUT_S = 20
CHUNK_BYTES = 1 << 16


def fetch_file(sources: Mirrors, folder: Path) -> Path:
    """Download a file into a folder, unless it is there already with the right checksum.

    All URLs are tried in turn, and again for as long as a round adds bytes.

    Parameters
    ----------
    sources : tuple of RemoteFile
        URLs, the best first. They may be of different files, any one of which is sufficient.
    folder : pathlib.Path
        The destination, created if it is missing.

    Returns
    -------
    pathlib.Path
        The file, its checksum verified.

    Raises
    ------
    DataNotFoundError
        If no URL works; the message lists the URLs with their errors, and the file to download by hand.
    OutputError
        If the folder cannot be created or written to.
    MissingExtraError
        If pooch or rich is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data.download import fetch_file
    >>> from fastmlp.data.urls import RemoteFile
    >>> unreachable = RemoteFile("http://127.0.0.1:9/x.bin", n_bytes=3, sha256="ba78" + "16bf" * 15)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fetch_file((unreachable,), Path(folder))
    Traceback (most recent call last):
        ...
    fastmlp.errors.DataNotFoundError: x.bin could not be downloaded...
    """
    _create_folder(folder)
    n_before = -1
    while n_before < (n_now := _n_downloaded(sources, folder)):
        n_before = n_now
        failures = {}
        for source in sources:
            try:
                return _retrieve(source, folder)
            except (OSError, ValueError) as error:  # OSError of requests, urllib3 or the system; ValueError of pooch
                failures[source] = _reason(error)
    raise DataNotFoundError(_failure_message(failures, folder))


def _create_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the data folder {folder} cannot be created: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"the data folder {folder} is not writable; set another one by data_dir or FASTMLP_DATA")


def _n_downloaded(sources: Mirrors, folder: Path) -> int:
    return sum(_size(_part(folder, file_name)) for file_name in {source.file_name for source in sources})


def _part(folder: Path, file_name: str) -> Path:
    return folder / f"{file_name}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _retrieve(source: RemoteFile, folder: Path) -> Path:
    pooch = _import_pooch(source, folder)
    part = _part(folder, source.file_name)
    for path in (part, folder / source.file_name):  # both are opened, one of them by pooch
        check_regular(path)
    is_resumed = part.exists()
    downloader = ResumingDownloader(part, source.n_bytes)
    args = (source.url, f"sha256:{source.sha256}", source.file_name, folder)
    try:
        return Path(pooch.retrieve(*args, downloader=downloader))
    except ValueError:  # a wrong checksum, perhaps because of the bytes that were in the .part file before
        if not is_resumed:
            raise
        return Path(pooch.retrieve(*args, downloader=downloader))


def _import_pooch(source: RemoteFile, folder: Path) -> Any:
    try:
        import pooch
        import rich.progress  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("pooch", "cli", f"the download of {source.file_name} into {folder}") from error
    return pooch


class ResumingDownloader:
    """A downloader for pooch that resumes interrupted downloads.

    Parameters
    ----------
    part : pathlib.Path
        File of the bytes downloaded so far.
    n_bytes : int
        Size of the complete file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fastmlp.data.download import ResumingDownloader
    >>> ResumingDownloader(Path("x.bin.part"), 3).n_bytes
    3
    """

    def __init__(self, part: Path, n_bytes: int) -> None:
        self.part = part
        self.n_bytes = n_bytes

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Download the missing bytes, then move the file to its final path.

        Parameters
        ----------
        url : str
            The URL.
        output_file : str
            Final path of the file.
        pooch : pooch.Pooch or None
            Not used.

        Raises
        ------
        OSError
            If the server does not respond, or the connection breaks, or the server sends too many bytes.
        """
        if _size(self.part) > self.n_bytes:
            self.part.unlink()
        if _size(self.part) < self.n_bytes:
            self._download(url)
        os.replace(self.part, output_file)

    def _download(self, url: str) -> None:
        import requests
        import urllib3

        n_present = _size(self.part)
        # Without "identity", and without reading the stream undecoded, some servers would decompress .gz files.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={n_present}-"} if n_present else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            response.raise_for_status()
            is_partial = response.headers.get("Content-Range", "").startswith(f"bytes {n_present}-")
            try:
                self._write(response, "ab" if is_partial else "wb")
            except urllib3.exceptions.HTTPError as error:
                raise OSError(self._interruption()) from error
        if _size(self.part) < self.n_bytes:
            raise OSError(self._interruption())

    def _write(self, response: Any, mode: str) -> None:
        with self.part.open(mode) as file, _progress_bar(self.part.stem, file.tell(), self.n_bytes) as advance:
            for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
                if file.tell() + len(chunk) > self.n_bytes:
                    file.truncate(0)
                    raise OSError(f"the server sends more than the expected {self.n_bytes:,} bytes")
                file.write(chunk)
                advance(len(chunk))

    def _interruption(self) -> str:
        return f"interrupted after {_size(self.part):,} of {self.n_bytes:,} bytes"


@contextmanager
def _progress_bar(file_name: str, n_present: int, n_bytes: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error if that is a terminal."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    name, speed = progress.TextColumn("{task.description}"), progress.TransferSpeedColumn()
    columns = (name, progress.BarColumn(), progress.DownloadColumn(), speed, progress.TimeRemainingColumn())
    with progress.Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(file_name, completed=n_present, total=n_bytes)
        yield lambda n_new: bar.advance(task, n_new)


def _reason(error: Exception) -> str:
    import requests

    match error:
        case requests.HTTPError(response=response) if response is not None:
            return f"HTTP {response.status_code}"
        case requests.Timeout():
            return "timed out"
        case requests.ConnectionError():
            return "no connection"
        case ValueError():
            return "wrong checksum"
    return str(error)


def _failure_message(failures: dict[RemoteFile, str], folder: Path) -> str:
    urls = "".join(f"\n  {source.url}: {reason}" for source, reason in failures.items())
    files = {source.file_name: source for source in failures}
    accepted = " or ".join(
        f"{name} ({source.n_bytes:,} bytes, sha256 {source.sha256})" for name, source in sorted(files.items())
    )
    return (
        f"{' or '.join(sorted(files))} could not be downloaded. Tried URLs:{urls}\n"
        f"Download {accepted} by hand into {folder.resolve()}"
    )
