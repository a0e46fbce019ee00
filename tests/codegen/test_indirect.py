"""Calls by address: what arrives, and that each kernel is compiled once per dtype and found again on disk."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numba import types
from numba.core import event

import fastmlp
from fastmlp.codegen.indirect import Prototype
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import address

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """An empty cache."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("fastmlp.codegen.cache.temporary_cache_dir", lambda: tmp_path / "temporary")
    return tmp_path / "cache"


class Inner(NamedTuple):
    """Two pointers of one type."""

    first: object
    second: object


class Outer(NamedTuple):
    """A tuple within a tuple, and members of several types."""

    inner: object
    count: object
    ints: object


def every_type(real):
    """Arguments of every kind that the prototypes in fastmlp.kernels declare."""
    pointer, ints = types.CPointer(real), types.CPointer(types.int64)
    outer = types.NamedTuple((types.NamedUniTuple(pointer, 2, Inner), types.int64, ints), Outer)
    matrix, pair = types.Tuple((pointer, types.int64, types.int64)), types.UniTuple(types.int64, 2)
    return outer, matrix, pair, types.int64, real, types.float64, types.CPointer(types.uint8), pointer


EVERY_TYPE = Prototype(every_type)
call_every_type = EVERY_TYPE.call


@EVERY_TYPE.implementation
def store_all(outer, matrix, pair, number, value, wide, raw, out):
    out[0], out[1] = outer.inner.first[0], outer.inner.second[1]
    out[2], out[3] = outer.count, outer.ints[2]
    out[4], out[5], out[6] = matrix[0][0], matrix[1], matrix[2]
    out[7], out[8] = pair
    out[9], out[10], out[11], out[12] = number, value, wide, raw[1]


@kernel
def _call_with_variables(function, numbers, ints, raw, integers, value, wide, out):
    outer = Outer(Inner(address(numbers, 0), address(numbers, 2)), integers[0], address(ints, 0))
    matrix, pair = (address(numbers, 4), integers[1], integers[2]), (integers[3], integers[4])
    call_every_type(function, (outer, matrix, pair, integers[5], value, wide, address(raw, 0), address(out, 0)))


@kernel
def _call_with_literals(function, numbers, ints, raw, value, out):
    outer = Outer(Inner(address(numbers, 0), address(numbers, 2)), 11, address(ints, 0))
    matrix = address(numbers, 4), 12, 13
    call_every_type(function, (outer, matrix, (14, 15), 16, value, 0.25, address(raw, 0), address(out, 0)))


ARRAYS = [10.5, 0, 0, 30.5, 40.5], np.array([0, 0, -(2**40)]), np.array([0, 200], np.uint8)
EXPECTED = [10.5, 30.5, 11, -(2**40), 40.5, 12, 13, 14, 15, 16, -1.5, 0.25, 200]


@DTYPES
def test_a_call_passes_every_declared_type(dtype):
    numbers, out = np.array(ARRAYS[0], dtype), np.zeros(13, dtype)
    integers, value = np.arange(11, 17), np.dtype(dtype).type(-1.5)
    _call_with_variables(store_all.address(dtype), numbers, *ARRAYS[1:], integers, value, 0.25, out)
    assert out.tolist() == EXPECTED


@DTYPES
def test_integer_literals_become_integers_of_64_bits(dtype):
    """To Numba each literal is a type of its own, also in a tuple, and of one register's width."""
    numbers, out = np.array(ARRAYS[0], dtype), np.zeros(13, dtype)
    value = np.dtype(dtype).type(-1.5)
    _call_with_literals(store_all.address(dtype), numbers, *ARRAYS[1:], value, out)
    assert out.tolist() == EXPECTED


@DTYPES
def test_an_implementation_is_a_kernel_too(dtype):
    out = np.zeros(13, dtype)
    numbers, value = np.array(ARRAYS[0], dtype), np.dtype(dtype).type(-1.5)
    outer = Outer(Inner(numbers, numbers[2:]), 11, ARRAYS[1])
    store_all.kernel(outer, (numbers[4:], 12, 13), (14, 15), 16, value, 0.25, ARRAYS[2], out)
    assert out.tolist() == EXPECTED


SCALE = Prototype(lambda real: (types.CPointer(real), types.int64))
call_scale = SCALE.call


@kernel
def scaled(function, x):
    call_scale(function, (address(x, 0), x.size))


def scale_by(factor):
    """An implementation made by a factory, whose functions have one signature and one source."""

    def scale(x, n):
        for i in range(n):
            x[i] *= factor

    return SCALE.implementation(scale, f"test_indirect_scale_{factor}")


def result(implementation, dtype="float64"):
    x = np.ones(2, dtype)
    scaled(implementation.address(dtype), x)
    return x.tolist()


def n_compiled(*implementations):
    """Number of compilations until the implementations have addresses."""
    with event.install_recorder("numba:compile") as recorder:
        for implementation in implementations:
            implementation.address("float64")
    return sum(recorded.is_start for _, recorded in recorder.buffer)


def test_implementations_that_one_factory_made_are_not_confused():
    double, triple = scale_by(2), scale_by(3)
    assert (result(double), result(triple), result(double)) == ([2, 2], [3, 3], [2, 2])


def test_the_symbols_of_implementations_that_one_factory_made_differ():
    """LLVM finds machine code by its symbol, and a process may load that of several processes, which count alike."""
    for implementation in (scale_by(2), scale_by(3)):
        _, library = implementation._compile("float64")
        assert all(implementation.name in symbol for symbol in library.exported_names())


@DTYPES
def test_an_address_is_that_of_one_dtype_and_does_not_change(dtype):
    double = scale_by(2)
    first = double.address(dtype)
    assert double.address({"float32": "float64", "float64": "float32"}[dtype]) != first
    assert double.address(dtype) == first
    assert result(double, dtype) == [2, 2]


def test_a_compiled_implementation_is_loaded_from_the_cache(folder):
    double, again = scale_by(2), scale_by(2)
    assert not again.is_ready("float64")
    double.address("float64")
    assert double.is_ready("float64")
    assert again.is_ready("float64")
    assert not again.is_ready("float32")
    assert n_compiled(again) == 0
    assert result(again) == [2, 2]
    assert len([*folder.rglob("test_indirect_scale_2-*.pickle")]) == 1


def test_a_damaged_file_is_replaced(folder):
    scale_by(2).address("float64")
    (path,) = folder.rglob("*.pickle")
    path.write_bytes(path.read_bytes()[:-1])
    assert [n_compiled(scale_by(2)) for _ in range(2)] == [1, 0]


PROGRAM = """
import sys
from test_indirect import n_compiled, result, scale_by

implementations = [scale_by(int(factor)) for factor in sys.argv[1:]]
print(n_compiled(*implementations), *(result(implementation)[0] for implementation in implementations))
"""


def test_processes_that_share_a_cache_do_not_confuse_implementations_of_one_factory(folder):
    """Each is the first of its process, so that what Numba counts per process does not tell them apart."""
    paths = [str(Path(__file__).parent), str(Path(fastmlp.__file__).parents[1])]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": os.pathsep.join(paths)}
    printed = []
    for factors in (["2"], ["3"], ["3", "2"]):
        command = [sys.executable, "-c", PROGRAM, *factors]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        printed.append(done.stdout.split())
    assert printed == [["1", "2.0"], ["1", "3.0"], ["0", "3.0", "2.0"]]


def test_of_eight_threads_one_compiles():
    double, start, found = scale_by(2), threading.Barrier(8), []

    def work():
        start.wait()
        found.append(double.address("float64"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    with event.install_recorder("numba:compile") as recorder:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert sum(recorded.is_start for _, recorded in recorder.buffer) == 1
