import pytest

from fastmlp.data.urls import CIFAR10, FASHION_MNIST, MNIST

SOURCES = [source for files in (CIFAR10, MNIST, FASHION_MNIST) for sources in files for source in sources]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.url)
def test_every_source_has_a_url_a_file_name_a_checksum_and_a_size(source):
    assert source.url.startswith("http")
    assert source.file_name.endswith(".gz")
    assert len(bytes.fromhex(source.sha256)) == 32
    assert source.n_bytes > 4000


@pytest.mark.parametrize("files", [CIFAR10, MNIST, FASHION_MNIST])
def test_every_file_has_several_servers(files):
    assert all(len({source.url.split("/")[2] for source in sources}) > 1 for sources in files)


def test_all_sources_of_a_file_have_the_same_size_and_checksum():
    for files in (CIFAR10, MNIST, FASHION_MNIST):
        entries = {(source.file_name, source.n_bytes, source.sha256) for sources in files for source in sources}
        assert len(entries) == len({name for name, *_ in entries})
