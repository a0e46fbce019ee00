import sys

import pytest

from fastmlp.data.download import fetch_file
from fastmlp.errors import DataNotFoundError, MissingExtraError, OutputError


def fetch(server, folder, *faults):
    """Download from URLs with these faults, and check the result."""
    path = fetch_file(tuple(server.source(fault) for fault in faults), folder)
    assert path == folder / "x.bin"
    assert path.read_bytes() == server.content
    assert [file.name for file in folder.iterdir()] == ["x.bin"]


def test_a_file_is_downloaded_into_a_new_folder(server, tmp_path):
    fetch(server, tmp_path / "new" / "folder", "good")
    assert server.requests == ["good whole"]


def test_an_intact_file_is_not_downloaded_again(server, tmp_path):
    fetch(server, tmp_path, "good")
    fetch(server, tmp_path, "good")
    assert server.requests == ["good whole"]


def test_a_damaged_file_is_downloaded_again(server, tmp_path):
    (tmp_path / "x.bin").write_bytes(b"damaged")
    fetch(server, tmp_path, "good")


def test_the_next_url_is_tried_after_one_that_fails(server, unreachable, tmp_path):
    path = fetch_file((unreachable, server.source("missing"), server.source("good")), tmp_path)
    assert path.read_bytes() == server.content
    assert server.requests == ["missing whole", "good whole"]


def test_a_broken_connection_is_resumed_until_the_file_is_complete(server, tmp_path):
    fetch(server, tmp_path, "breaking")
    assert server.requests == ["breaking whole", "breaking bytes=100000-", "breaking bytes=200000-"]


def test_a_download_is_resumed_from_another_url(server, tmp_path):
    fetch(server, tmp_path, "breaking", "good")
    assert server.requests == ["breaking whole", "good bytes=100000-"]


def test_an_interrupted_download_is_resumed_in_a_later_run(server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(server.content[:250_000])
    fetch(server, tmp_path, "good")
    assert server.requests == ["good bytes=250000-"]


def test_a_complete_part_file_is_not_downloaded_again(server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(server.content)
    fetch(server, tmp_path, "good")
    assert server.requests == []


@pytest.mark.parametrize("part", [b"foreign" * 1000, bytes(400_000)])
def test_a_part_file_with_other_content_is_downloaded_again(part, server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(part)
    fetch(server, tmp_path, "good")
    assert server.requests[-1] == "good whole"


def test_a_server_that_cannot_resume_sends_the_whole_file(server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(server.content[:1000])
    fetch(server, tmp_path, "unresumable")


def test_a_content_encoding_is_not_decoded(server, tmp_path):
    fetch(server, tmp_path, "encoded")


def test_the_next_url_is_tried_after_a_wrong_checksum(server, tmp_path):
    fetch(server, tmp_path, "wrong", "good")


def test_a_server_that_sends_too_many_bytes_is_an_error(server, tmp_path):
    too_long = server.source("good")._replace(n_bytes=1000)
    with pytest.raises(DataNotFoundError, match="the server sends more than the expected 1,000 bytes"):
        fetch_file((too_long,), tmp_path)


def test_the_error_for_a_failed_download_lists_the_urls_and_the_file_to_download_by_hand(server, unreachable, tmp_path):
    sources = (unreachable, server.source("missing"), server.source("wrong"))
    with pytest.raises(DataNotFoundError) as caught:
        fetch_file(sources, tmp_path)
    message = str(caught.value)
    assert f"{unreachable.url}: no connection" in message
    assert f"{sources[1].url}: HTTP 404" in message
    assert f"{sources[2].url}: wrong checksum" in message
    assert str(tmp_path) in message
    assert f"x.bin (300,000 bytes, sha256 {sources[2].sha256})" in message


def test_a_folder_that_cannot_be_created_is_an_error(unreachable, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"the data folder .* cannot be created: "):
        fetch_file((unreachable,), tmp_path / "file" / "folder")


@pytest.mark.parametrize("package", ["pooch", "rich.progress"])
def test_the_error_for_a_missing_package_has_the_pip_command(package, unreachable, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r'pip install "fastmlp\[cli\]"'):
        fetch_file((unreachable,), tmp_path)
