import io
import zlib

import numpy as np
import pytest

from fastmlp.errors import DataError, FileFormatError
from fastmlp.io.bounded import Bounded, fill, intact


class Dripping(io.BytesIO):
    """Gives a byte at a time, as a socket may."""

    def readinto(self, buffer):
        return super().readinto(memoryview(buffer)[:1])


def test_a_buffer_is_filled_from_a_stream_that_drips():
    buffer = np.zeros((2, 2), dtype=np.uint8)
    assert fill(Dripping(b"\1\2\3\4\5"), buffer) == 4
    assert buffer.tolist() == [[1, 2], [3, 4]]


def test_the_end_of_a_stream_is_told():
    assert fill(io.BytesIO(b"abc"), np.zeros(5, dtype=np.uint8)) == 3


def test_more_than_a_stream_may_hold_is_refused_before_it_is_read():
    with pytest.raises(FileFormatError, match="x claims to hold 7 bytes more than the 3 it may"):
        Bounded(io.BytesIO(bytes(100)), 3, "x").read(10)


def test_reading_in_pieces_counts():
    stream = Bounded(io.BytesIO(bytes(100)), 5, "x")
    stream.read(3)
    with pytest.raises(FileFormatError):
        stream.read(3)


def test_a_line_stops_at_the_bound():
    assert Bounded(io.BytesIO(b"a" * 100), 5, "x").readline() == b"aaaaa"


@pytest.mark.parametrize("error", [zlib.error("bad"), EOFError("bad"), KeyError("bad")])
def test_damage_is_named_with_the_file_and_its_length(tmp_path, error):
    path = tmp_path / "x.gz"
    path.write_bytes(b"abc")
    with (
        pytest.raises(FileFormatError, match=r"x\.gz \(3 bytes\) is not an intact gzip file: .*bad"),
        intact(path, "gzip file", KeyError),
    ):
        raise error


def test_errors_that_say_more_pass_through(tmp_path):
    with pytest.raises(DataError, match="exactly this"), intact(tmp_path, "file", ValueError):
        raise DataError("exactly this")
