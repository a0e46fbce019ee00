"""Download: fetches a file from the first address that gives it, resuming what broke off. Knows no data set.

Pooch compares the checksum and puts the finished file in its place; what has arrived so far waits beside it, under the
file's name and ``.part``, for any address that holds the same bytes.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastmlp.data.urls import Mirrors, RemoteFile
from fastmlp.errors import DataNotFoundError, MissingExtraError, OutputError

TIMEOUT_S = 20
CHUNK_BYTES = 1 << 16


def fetch_file(sources: Mirrors, folder: Path) -> Path:
    """Fetch one file into a folder, unless an intact one is there.

    Goes round the addresses for as long as a round brings something.

    Parameters
    ----------
    sources : tuple of RemoteFile
        Addresses, the best first; they may be of different files, of which one will do.
    folder : pathlib.Path
        Where the file is put; made if need be.

    Returns
    -------
    pathlib.Path
        The file, its checksum verified.

    Raises
    ------
    DataNotFoundError
        If no address gives it; the message says what was tried, and what to put where by hand.
    OutputError
        If the folder cannot be written to.
    MissingExtraError
        If pooch or rich is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data.download import fetch_file
    >>> from fastmlp.data.urls import RemoteFile
    >>> nobody = RemoteFile("http://127.0.0.1:9/x.bin", n_bytes=3, sha256="ba78" + "16bf" * 15)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fetch_file((nobody,), Path(folder))
    Traceback (most recent call last):
        ...
    fastmlp.errors.DataNotFoundError: x.bin could not be fetched...
    """
    _refuse_unwritable(folder)
    n_before = -1
    while n_before < (n_now := _n_arrived(sources, folder)):
        n_before = n_now
        failures = {}
        for source in sources:
            try:
                return _retrieve(source, folder)
            except (OSError, ValueError) as error:  # of requests, urllib3 and the system; pooch's wrong checksum
                failures[source] = _reason(error)
    raise DataNotFoundError(_by_hand(failures, folder))


def _refuse_unwritable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the data folder {folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"the data folder {folder} cannot be written to; name another as data_dir or in FASTMLP_DATA")


def _n_arrived(sources: Mirrors, folder: Path) -> int:
    return sum(_size(_part(folder, file_name)) for file_name in {source.file_name for source in sources})


def _part(folder: Path, file_name: str) -> Path:
    return folder / f"{file_name}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _retrieve(source: RemoteFile, folder: Path) -> Path:
    pooch = _import_pooch(source, folder)
    part = _part(folder, source.file_name)
    resumed = part.exists()
    fetch = ResumingDownloader(part, source.n_bytes)
    args = (source.url, f"sha256:{source.sha256}", source.file_name, folder)
    try:
        return Path(pooch.retrieve(*args, downloader=fetch))
    except ValueError:  # a wrong checksum; the fault may lie in what was there before
        if not resumed:
            raise
        return Path(pooch.retrieve(*args, downloader=fetch))


def _import_pooch(source: RemoteFile, folder: Path) -> Any:
    try:
        import pooch
        import rich.progress  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("pooch", "cli", f"fetching {source.file_name} into {folder}") from error
    return pooch


class ResumingDownloader:
    """A downloader for pooch that goes on where an earlier attempt broke off.

    Parameters
    ----------
    part : pathlib.Path
        Where the bytes gather until all are there.
    n_bytes : int
        How many there are to be.

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
        """Fetch what is lacking, then hand the whole over.

        Parameters
        ----------
        url : str
            The address.
        output_file : str
            Where pooch wants the finished file.
        pooch : pooch.Pooch or None
            Who asks; not used.

        Raises
        ------
        OSError
            If the address does not answer, breaks off, or sends too much.
        """
        if _size(self.part) > self.n_bytes:
            self.part.unlink()
        if _size(self.part) < self.n_bytes:
            self._gather(url)
        os.replace(self.part, output_file)

    def _gather(self, url: str) -> None:
        import requests
        import urllib3

        n_here = _size(self.part)
        # "identity", and the stream read undecoded: some servers would unzip a .gz file on the way.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={n_here}-"} if n_here else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            response.raise_for_status()
            goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {n_here}-")
            try:
                self._store(response, "ab" if goes_on else "wb")
            except urllib3.exceptions.HTTPError as error:
                raise OSError(self._broke_off()) from error
        if _size(self.part) < self.n_bytes:
            raise OSError(self._broke_off())

    def _store(self, response: Any, mode: str) -> None:
        with self.part.open(mode) as file, _progress_bar(self.part.stem, file.tell(), self.n_bytes) as advance:
            for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
                if file.tell() + len(chunk) > self.n_bytes:
                    file.truncate(0)
                    raise OSError(f"sends more than the {self.n_bytes:,} bytes expected")
                file.write(chunk)
                advance(len(chunk))

    def _broke_off(self) -> str:
        return f"broke off after {_size(self.part):,} of {self.n_bytes:,} bytes"


@contextmanager
def _progress_bar(file_name: str, n_here: int, n_bytes: int) -> Iterator[Callable[[int], None]]:
    """Show progress on standard error where that is a terminal."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    name, speed = progress.TextColumn("{task.description}"), progress.TransferSpeedColumn()
    columns = (name, progress.BarColumn(), progress.DownloadColumn(), speed, progress.TimeRemainingColumn())
    with progress.Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(file_name, completed=n_here, total=n_bytes)
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


def _by_hand(failures: dict[RemoteFile, str], folder: Path) -> str:
    tried = "".join(f"\n  {source.url}: {reason}" for source, reason in failures.items())
    files = {source.file_name: source for source in failures}
    wanted = " or ".join(
        f"{name} ({source.n_bytes:,} bytes, sha256 {source.sha256})" for name, source in sorted(files.items())
    )
    return (
        f"{' or '.join(sorted(files))} could not be fetched. These addresses were tried:{tried}\n"
        f"Fetch it by hand and put it into {folder.resolve()}: {wanted}"
    )
