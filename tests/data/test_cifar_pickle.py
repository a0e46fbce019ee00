import contextlib
import io
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastmlp.data.cifar_pickle import read_pickle
from fastmlp.errors import FileFormatError

PIXELS = np.arange(60, dtype=np.uint8).reshape(3, 20)


def read(pickled: bytes, n_pixels=None):
    """Read a pickle; by default the number of pixels is that of PIXELS, or 0 where they are not in it."""
    if n_pixels is None:
        n_pixels = PIXELS.nbytes if PIXELS.tobytes()[:30] in pickled else 0
    return read_pickle(io.BytesIO(pickled), len(pickled), "data_batch_1", n_pixels)


def test_a_batch_of_python_2_is_read(as_pickled):
    got = read(as_pickled(PIXELS, [3, 0, 9]))
    np.testing.assert_array_equal(got[b"data"], PIXELS)
    assert got[b"labels"] == [3, 0, 9]
    assert got[b"batch_label"] == b"training batch 1 of 5"
    assert got[b"filenames"][2] == b"leptodactylus_pentadactylus_s_000002.png"


def test_pythons_unpickler_gives_the_same(as_pickled):
    pickled = as_pickled(PIXELS, [3, 0, 9])
    ref = pickle.loads(pickled.replace(b"numpy.core", b"numpy._core"), encoding="bytes")
    got = read(pickled)
    assert list(got) == list(ref)
    np.testing.assert_array_equal(got[b"data"], ref[b"data"])


def test_pixels_are_not_copied(as_pickled):
    pixels = np.zeros((1000, 3072), dtype=np.uint8)
    pickled = as_pickled(pixels, [0] * 1000)
    tracemalloc.start()
    read(pickled, pixels.nbytes)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < pixels.nbytes + (1 << 20)


class Malicious:
    def __init__(self, action, *args):
        self.action = action
        self.args = args

    def __reduce__(self):
        return self.action, self.args


def dumped(protocol: int, action, *args) -> bytes:
    return pickle.dumps({b"labels": [1], b"data": Malicious(action, *args)}, protocol=protocol)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("action", "args"),
    [(os.mkdir, ["made"]), (eval, ["open('made', 'w')"]), (exec, ["open('made', 'w')"]), (getattr, [os, "mkdir"])],
)
def test_a_pickle_that_would_run_code_is_refused_and_not_run(protocol, action, args, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args = ["os" if arg is os else arg for arg in args]
    with pytest.raises(FileFormatError, match="data_batch_1 is not a batch of CIFAR-10"):
        read(dumped(protocol, action, *args))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02cos\nsystem\nU\x04true\x85R.",  # a call of a global
        b"\x80\x02cnumpy\nload\nU\x04true\x85R.",  # another name of NumPy
        b"\x80\x02cnumpy.core.multiarray\nscalar\n.",  # another name of that module
        b"\x80\x02(U\x04trueios\nsystem\n.",  # INST
        b"\x80\x02(cos\nsystem\nU\x04trueo.",  # OBJ
        b"\x80\x02cnumpy\nndarray\n)\x81.",  # NEWOBJ of an accepted name
        b"\x80\x04U\x02osU\x06system\x93.",  # STACK_GLOBAL
        b"\x80\x02\x82\x01.",  # the code of an extension
        b"\x80\x02U\x01aQ.",  # a persistent id
        b"cos\nsystem\n(S'true'\ntR.",  # protocol 0
    ],
)
def test_every_way_to_refer_to_another_name_is_refused(program):
    with pytest.raises(FileFormatError, match=r"which no official file (does|has)$"):
        read(program)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"", "it claims to hold at least 1 bytes; at most 0 are accepted"),
        (b"\x80\x02]K\x01a.", "expected a dict, got a list"),
        (b"\x80\x02}q", "claims to hold"),
        (b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"abc.", "claims to hold"),
        (b"\x80\x02}U\x04datacnumpy\ndtype\nU\x02f8K\x00K\x01\x87Rs.", "dtype b'f8'"),
        (b"\x80\x02}U\x04datacnumpy\ndtype\nU\x01OK\x00K\x01\x87Rs.", "dtype b'O'"),
        (
            b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85U\x01b\x87Rs.",
            "another class",
        ),
        (b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87Rs.", "pixels"),
        (b"\x80\x02}}K\x01s.", "unhashable|IndexError|dict"),
    ],
)
def test_damage_is_refused(program, message):
    with pytest.raises(FileFormatError, match=message):
        read(program)


def test_an_array_with_fewer_bytes_than_its_shape_needs_is_refused(as_pickled):
    pickled = as_pickled(PIXELS, [0])
    with pytest.raises(FileFormatError, match="reshape"):
        read(pickled.replace(b"M\x14\x00", b"M\x15\x00"))


def test_a_large_index_of_the_memo_allocates_nothing():
    tracemalloc.start()
    read(b"\x80\x02}r\x00\x00\x00\x7f.")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_opcodes_may_take_all_bytes_but_those_of_the_pixels():
    lists = b"\x80\x02}U\x01a" + b"]" * 1000 + b"."
    with pytest.raises(FileFormatError, match="claims to hold at least 508 bytes; at most 507 are accepted"):
        read(lists, 500)


def test_deeply_nested_tuples_do_not_crash_the_process():
    nested = b"\x80\x02}(t" + b"\x85" * 600_000
    for program in (nested + b"K\x01s.", b"\x80\x02}(" + nested[3:] + b"K\x01u."):
        with pytest.raises(FileFormatError, match="expected strings as keys, got a tuple"):
            read(program)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_pickle_gives_a_dict_or_a_file_format_error(as_pickled, data):
    damaged = bytearray(as_pickled(PIXELS, [6, 9]))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FileFormatError):
        assert isinstance(read(bytes(damaged)), dict)
