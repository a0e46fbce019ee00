import sys

import pytest

from fastmlp.data.download import fetch_file
from fastmlp.errors import DataNotFoundError, MissingExtraError, OutputError


def fetched(server, folder, *faults):
    path = fetch_file(tuple(server.source(fault) for fault in faults), folder)
    assert path == folder / "x.bin"
    assert path.read_bytes() == server.content
    assert [file.name for file in folder.iterdir()] == ["x.bin"]


def test_a_file_is_fetched_into_a_new_folder(server, tmp_path):
    fetched(server, tmp_path / "new" / "folder", "good")
    assert server.asked == ["good whole"]


def test_an_intact_file_is_not_fetched_again(server, tmp_path):
    fetched(server, tmp_path, "good")
    fetched(server, tmp_path, "good")
    assert server.asked == ["good whole"]


def test_a_damaged_file_is_fetched_again(server, tmp_path):
    (tmp_path / "x.bin").write_bytes(b"damaged")
    fetched(server, tmp_path, "good")


def test_a_dead_address_is_passed_over(server, refused, tmp_path):
    path = fetch_file((refused, server.source("missing"), server.source("good")), tmp_path)
    assert path.read_bytes() == server.content
    assert server.asked == ["missing whole", "good whole"]


def test_a_broken_connection_is_resumed_until_all_is_there(server, tmp_path):
    fetched(server, tmp_path, "breaking")
    assert server.asked == ["breaking whole", "breaking bytes=100000-", "breaking bytes=200000-"]


def test_what_one_address_began_another_goes_on_with(server, tmp_path):
    fetched(server, tmp_path, "breaking", "good")
    assert server.asked == ["breaking whole", "good bytes=100000-"]


def test_what_an_earlier_run_began_is_gone_on_with(server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(server.content[:250_000])
    fetched(server, tmp_path, "good")
    assert server.asked == ["good bytes=250000-"]


def test_a_part_that_is_whole_is_not_fetched_again(server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(server.content)
    fetched(server, tmp_path, "good")
    assert server.asked == []


@pytest.mark.parametrize("part", [b"foreign" * 1000, bytes(400_000)])
def test_a_foreign_part_costs_one_more_attempt(part, server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(part)
    fetched(server, tmp_path, "good")
    assert server.asked[-1] == "good whole"


def test_an_address_that_cannot_resume_begins_anew(server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(server.content[:1000])
    fetched(server, tmp_path, "unresumable")


def test_content_is_kept_as_it_is_stored(server, tmp_path):
    fetched(server, tmp_path, "encoded")


def test_a_wrong_checksum_leads_to_the_next_address(server, tmp_path):
    fetched(server, tmp_path, "wrong", "good")


def test_an_address_that_sends_too_much_is_left(server, tmp_path):
    too_long = server.source("good")._replace(n_bytes=1000)
    with pytest.raises(DataNotFoundError, match="sends more than the 1,000 bytes expected"):
        fetch_file((too_long,), tmp_path)


def test_without_any_address_the_message_says_what_to_do_by_hand(server, refused, tmp_path):
    sources = (refused, server.source("missing"), server.source("wrong"))
    with pytest.raises(DataNotFoundError) as caught:
        fetch_file(sources, tmp_path)
    message = str(caught.value)
    assert f"{refused.url}: no connection" in message
    assert f"{sources[1].url}: HTTP 404" in message
    assert f"{sources[2].url}: wrong checksum" in message
    assert str(tmp_path) in message
    assert f"x.bin (300,000 bytes, sha256 {sources[2].sha256})" in message


def test_a_folder_that_cannot_be_made_is_told(refused, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        fetch_file((refused,), tmp_path / "file" / "folder")


@pytest.mark.parametrize("package", ["pooch", "rich.progress"])
def test_a_missing_package_is_told_with_the_command_that_mends_it(package, refused, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r'pip install "fastmlp\[cli\]"'):
        fetch_file((refused,), tmp_path)
