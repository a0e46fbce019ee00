"""The machine code of an entry point contains what it calls, and a called kernel has none of its own."""

import signal
import threading

import llvmlite.binding as llvm
import numpy as np
import pytest
from numba import types
from numba.core import event

from fastmlp.codegen.compiler import signals_deferred
from fastmlp.codegen.indirect import Prototype
from fastmlp.codegen.jit import kernel

FACTORS = 3.0, 5.0


@kernel
def weighted_sum(x, n):
    total = 0.0
    for i in range(n):
        total += FACTORS[i % 2] * x[i]
    return total


@kernel
def first_part(x, n):
    return weighted_sum(x, n)


@kernel
def second_part(x, n):
    return weighted_sum(x, n) + 1.0


def both_parts(x, n):
    return first_part(x, n) * second_part(x, n)


def total_store(x, n):
    x[0] = first_part(x, n)


#: Names of the kernels that the entry points call.
CALLED = "weighted_sum", "first_part", "second_part"
X = np.arange(1.0, 5.0)
SUM = 3.0 * 1 + 5.0 * 2 + 3.0 * 3 + 5.0 * 4


@pytest.fixture(scope="module")
def from_python():
    """An entry point that Python calls, compiled."""
    entry = kernel(both_parts)
    assert entry(X, 4) == SUM * (SUM + 1)
    return entry


def library_of(entry):
    """The machine code of an entry point that is compiled for one set of argument types."""
    (compiled,) = entry.overloads.values()
    return compiled.library


@pytest.fixture(scope="module")
def libraries(from_python):
    """Machine code of an entry point that Python calls, and of one that kernels call by its address."""
    prototype = Prototype(lambda real: (types.CPointer(real), types.int64))
    by_address = prototype.implementation(total_store)
    _, library = by_address._compile("float64")
    return {"python": library_of(from_python), "address": library}


def functions(library):
    """Names of the functions that a library defines, and of those that it takes from elsewhere."""
    module = llvm.parse_assembly(library.get_llvm_str())
    names = [(function.name, function.is_declaration) for function in module.functions]
    return [name for name, declared in names if not declared], [name for name, declared in names if declared]


def is_called_one(name):
    return any(part in name for part in CALLED)


@pytest.mark.parametrize("caller", ["python", "address"])
def test_the_machine_code_of_an_entry_point_contains_what_it_calls(libraries, caller):
    _, external = functions(libraries[caller])
    assert not any(map(is_called_one, external))


def test_nothing_but_an_entry_point_and_its_wrappers_is_exported(libraries):
    """The function, its wrapper for Python, and the names that this looks up."""
    names = libraries["python"].exported_names()
    assert len(names) == 3
    assert all("both_parts" in name for name in names)


def test_an_entry_point_that_is_called_by_address_has_no_wrapper(libraries):
    names = libraries["address"].exported_names()
    (function,) = (name for name in names if "NumbaEnv" not in name)
    assert "total_store" in function
    assert functions(libraries["address"])[0] == [function]


def test_a_called_kernel_is_not_emitted(from_python):
    for called in (weighted_sum, first_part, second_part):
        assert not called.overloads
        lowered = called._called.overloads.values()
        assert len(lowered) > 0
        assert {code.library.get_pointer_to_function(code.fndesc.llvm_func_name) for code in lowered} == {0}
    (entry,) = from_python.overloads.values()
    assert entry.library.get_pointer_to_function(entry.fndesc.llvm_func_name) != 0


def test_a_kernel_that_several_entry_points_call_is_lowered_once(from_python):
    other = kernel(lambda x, n: second_part(x, n) - first_part(x, n))
    with event.install_recorder("numba:compile") as recorder:
        assert other(X, 4) == 1.0
    compiled = [entry.data["dispatcher"] for _, entry in recorder.buffer if entry.is_start]
    assert compiled == [other]


def test_a_kernel_may_be_called_from_python_and_from_kernels():
    double = kernel(lambda x: 2.0 * x)
    quadruple = kernel(lambda x: double(double(x)))
    assert (double(3.0), quadruple(3.0), double(5.0)) == (6.0, 12.0, 10.0)


def test_constants_of_two_called_kernels_are_not_confused():
    pick = [kernel(lambda i, table=table: table[i]) for table in ((1.0, 2.0), (10.0, 20.0))]
    first, second = pick
    assert kernel(lambda i: first(i) + second(i))(1) == 22.0


def test_recompilation_for_other_types_leaves_the_first_machine_code_as_it_is(from_python):
    entry = kernel(both_parts)
    single = X.astype(np.float32)
    assert entry(X, 4) == entry(single, 4) == entry(X, 4) == from_python(X, 4)
    assert len(entry.overloads) == 2


def test_signals_are_handled_after_the_block():
    done = []

    def interrupted():
        with signals_deferred():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == ["the rest of the block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_do_not_defer_signals():
    handlers = []

    def run():
        with signals_deferred():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
