"""Data sets in idx files of any names: images and labels, for training and testing, found beside one of them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fastmlp.data.check import Array
from fastmlp.data.dataset import Dataset
from fastmlp.data.idx import CLASS_NAMES, IdxSize, identify_labels, read_idx, read_size
from fastmlp.data.split import split_rows
from fastmlp.errors import DataError, DataNotFoundError

#: Words in file names that are not the name of the data set.
TRAIN_WORDS, TEST_WORDS = {"train", "training"}, {"test", "testing", "t10k"}
KIND_WORDS = {"images", "image", "labels", "label", "idx", "ubyte", "gz"}


class IdxFile(NamedTuple):
    """An idx file of a folder.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    size : IdxSize
        Its number of dimensions, 1 for labels and more for images, and of samples.
    part : str
        "train", "test", or "" if its name says neither.
    name : str
        Its name without the words for its part and kind, such as emnist-letters; often empty.
    """

    path: Path
    size: IdxSize
    part: str
    name: str

    @property
    def is_images(self) -> bool:
        """Whether it holds images, not labels."""
        return self.size.n_dims > 1


class Pair(NamedTuple):
    """A file of images and the file of their labels."""

    images: IdxFile
    labels: IdxFile

    def read(self) -> tuple[Array, Array]:
        """Read both."""
        return read_idx(self.images.path, self.images.size.n_dims), read_idx(self.labels.path, 1)


def is_idx(path: Path) -> bool:
    """Whether a file is an idx file, gzipped or not, or a folder has one; decided by content, whatever the names.

    Parameters
    ----------
    path : pathlib.Path
        Any path.

    Returns
    -------
    bool

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data.idx_pair import is_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "labels").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
    ...     is_idx(Path(folder, "labels")), is_idx(Path(folder)), is_idx(Path(folder, "images"))
    (True, True, False)
    """
    return any(read_size(file) is not None for file in _files(path))


def load_idx_path(path: Path, scale: str = "auto", task: str | None = None) -> Dataset:
    """Load the data set to which an idx file belongs, or that of a folder of idx files.

    Files belong together by the rest of their names without the words for their part (train, test, t10k) and kind
    (images, labels); images and labels of other names, if they are the only ones of their number of samples.

    Parameters
    ----------
    path : pathlib.Path
        One of the files, or their folder. The others are searched for beside it.
    scale, task : str
        See `fastmlp.data.Dataset`; without a task it is classification.

    Returns
    -------
    Dataset
        uint8 samples. If there is only one pair of images and labels, a fifth of it is held out for testing. The class
        names of MNIST and Fashion-MNIST are given to exactly their labels.

    Raises
    ------
    DataNotFoundError
        If images or labels are missing, or there are test samples only.
    DataError
        If several data sets are in the folder, or a pair differs in its number of samples.
    FileFormatError
        If a file is truncated, oversized, damaged, or not of bytes.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data.idx_pair import load_idx_path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "images.idx").write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 5, 0, 0, 0, 1, *range(5)]))
    ...     _ = Path(folder, "labels.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 5, 0, 1, 0, 1, 1]))
    ...     load_idx_path(Path(folder)).X_train.shape
    (4, 1)
    """
    pairs, task = _find_pairs(path), task or "classification"
    train_pair = pairs.get("train") or pairs.get("")
    if train_pair is None:
        raise DataNotFoundError(
            f"{path}: expected images and labels for training beside {pairs['test'].images.path.name}, got none; add "
            "them, or use these files for testing only"
        )
    X_train, y_train = train_pair.read()
    known = identify_labels(y_train)
    name = known or train_pair.images.name or train_pair.images.path.resolve().parent.name
    if "test" in pairs:
        X_test, y_test = pairs["test"].read()
    else:
        train, test = split_rows("random" if task == "regression" else "stratified", y_train)
        X_train, y_train, X_test, y_test = X_train[train], y_train[train], X_train[test], y_train[test]
    class_names = CLASS_NAMES[known] if known and task == "classification" else None
    return Dataset(X_train, y_train, X_test, y_test, scale, class_names, name, task=task)


def load_idx_test_set(path: Path) -> tuple[Array, Array]:
    """Read the test set to which an idx file belongs, or all samples if there is only one pair of images and labels.

    Parameters
    ----------
    path : pathlib.Path
        As for `load_idx_path`.

    Returns
    -------
    X, y : numpy.ndarray, uint8
        Images and labels, in the shapes of the files.

    Raises
    ------
    DataNotFoundError, DataError, FileFormatError
        As by `load_idx_path`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data.idx_pair import load_idx_test_set
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "images.idx").write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 5, 0, 0, 0, 1, *range(5)]))
    ...     _ = Path(folder, "labels.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 5, 0, 1, 0, 1, 1]))
    ...     load_idx_test_set(Path(folder))[1]
    array([0, 1, 0, 1, 1], dtype=uint8)
    """
    pairs = _find_pairs(path)
    return next(pairs[part] for part in ("test", "", "train") if part in pairs).read()


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]


def _describe(path: Path) -> IdxFile | None:
    size = read_size(path)
    if size is None:
        return None
    words = [word for word in re.split(r"[^a-z0-9]+", re.sub(r"idx\d", "idx", path.name.lower())) if word]
    part = next((part for part, known in (("train", TRAIN_WORDS), ("test", TEST_WORDS)) if known & {*words}), "")
    rest = [word for word in words if word not in TRAIN_WORDS | TEST_WORDS | KIND_WORDS]
    return IdxFile(path, size, part, "-".join(rest))


def _find_pairs(path: Path) -> dict[str, Pair]:
    """The pairs of the data set of a file or folder by part: train, test or ""."""
    folder = path if path.is_dir() else path.parent
    files = [file for file in map(_describe, _files(folder)) if file is not None]
    files.sort(key=lambda file: file.path.name != path.name)  # the given one is preferred to copies, such as a gzipped
    pairs, single = _pair(files)
    names = {pair.images.name for pair in pairs}
    if folder != path:
        names = {pair.images.name for pair in pairs if path.name in (file.path.name for file in pair)}
    elif len(names) > 1:
        sets = ", ".join(sorted(pair.images.path.name for pair in pairs))
        raise DataError(
            f"{path}: expected the files of one data set, got several: {sets}; give the path of a file in place of the "
            "folder, or, if they are one, call them train-images, train-labels, test-images and test-labels"
        )
    if not names or any(file.name in names for file in single):
        raise DataNotFoundError(
            f"{path}: expected idx files of images and of as many labels, got {_list(single) or 'none'} without the "
            "other; they belong together by their names, such as train-images and train-labels"
        )
    return {pair.images.part or pair.labels.part: pair for pair in reversed(pairs) if pair.images.name in names}


def _pair(files: Sequence[IdxFile]) -> tuple[list[Pair], list[IdxFile]]:
    """Pairs of images and labels, by name and then by their number of samples, and the files left."""
    distinct: dict[tuple[str, str, bool], IdxFile] = {}
    for file in files:
        distinct.setdefault((file.name, file.part, file.is_images), file)
    pairs, single = [], []
    for (name, part, is_images), file in distinct.items():
        other = distinct.get((name, part, not is_images))
        if other is None:
            single.append(file)
        elif is_images:
            pairs.append(_check_pair(Pair(file, other)))
    for n_samples in dict.fromkeys(file.size.n_samples for file in single):
        same = [file for file in single if file.size.n_samples == n_samples]
        if len(same) == 2 and same[0].is_images != same[1].is_images:
            pairs.append(Pair(*sorted(same, key=lambda file: not file.is_images)))
            single = [file for file in single if file not in same]
    return pairs, single


def _check_pair(pair: Pair) -> Pair:
    n_images, n_labels = pair.images.size.n_samples, pair.labels.size.n_samples
    if n_images != n_labels:
        raise DataError(
            f"{pair.images.path} and {pair.labels.path.name}: expected as many labels as images, got {n_images:,} "
            f"images and {n_labels:,} labels"
        )
    return pair


def _list(files: Sequence[IdxFile]) -> str:
    return ", ".join(f"{file.path.name} ({file.size.n_samples:,})" for file in files)
