import io
import zlib

import numpy as np
import pytest

from fastmlp.errors import DataError, FileFormatError
from fastmlp.io.bounded import BoundedStream, read_into, read_up_to, translate_errors


class OneBytePerRead(io.BytesIO):
    """A stream that returns one byte per read, as a socket may."""

    def readinto(self, buffer):
        return super().readinto(memoryview(buffer)[:1])


def test_a_buffer_is_filled_from_a_stream_with_short_reads():
    buffer = np.zeros((2, 2), dtype=np.uint8)
    assert read_into(OneBytePerRead(b"\1\2\3\4\5"), buffer) == 4
    assert buffer.tolist() == [[1, 2], [3, 4]]


def test_the_number_of_bytes_tells_where_a_stream_ended():
    assert read_into(io.BytesIO(b"abc"), np.zeros(5, dtype=np.uint8)) == 3


@pytest.mark.parametrize("n_more", [-1, 0, 1, 10**15])
def test_a_growing_array_holds_the_requested_bytes_or_all_of_the_stream(n_more):
    content = bytes(range(256)) * 5000
    n_bytes = len(content) + n_more
    assert read_up_to(io.BytesIO(content), n_bytes).tobytes() == content[:n_bytes]


def test_a_read_beyond_the_maximum_is_refused_before_it_happens():
    with pytest.raises(FileFormatError, match="x claims to hold at least 10 bytes; at most 3 are accepted"):
        BoundedStream(io.BytesIO(bytes(100)), 3, "x").read(10)


def test_several_reads_together_are_limited():
    stream = BoundedStream(io.BytesIO(bytes(100)), 5, "x")
    stream.read(3)
    with pytest.raises(FileFormatError, match="x claims to hold at least 6 bytes; at most 5 are accepted"):
        stream.read(3)


def test_a_line_ends_at_the_maximum():
    assert BoundedStream(io.BytesIO(b"a" * 100), 5, "x").readline() == b"aaaaa"


@pytest.mark.parametrize("error", [zlib.error("bad"), EOFError("bad"), KeyError("bad")])
def test_the_error_for_a_damaged_file_has_its_name_and_length(tmp_path, error):
    path = tmp_path / "x.gz"
    path.write_bytes(b"abc")
    with (
        pytest.raises(FileFormatError, match=r"x\.gz \(3 bytes\) is not an intact gzip file: .*bad"),
        translate_errors(path, "gzip file", KeyError),
    ):
        raise error


def test_errors_of_fastmlp_are_not_translated(tmp_path):
    with pytest.raises(DataError, match="exactly this"), translate_errors(tmp_path, "file", ValueError):
        raise DataError("exactly this")
