"""The argument types that prototypes declare are those that their implementations are compiled for."""

import inspect

import pytest
from numba import types

from fastmlp.codegen.amx import unavailable_reason
from fastmlp.codegen.indirect import Prototype
from fastmlp.kernels import prototypes
from fastmlp.kernels.layout import DataArrays, NetworkArrays, ParamArrays

PROTOTYPES = {name: value for name, value in vars(prototypes).items() if isinstance(value, Prototype)}
REALS = pytest.mark.parametrize("real", [types.float32, types.float64], ids=str)


def parts(numba_type):
    """A type, and those of its members."""
    yield numba_type
    for member in numba_type if isinstance(numba_type, types.BaseTuple) else ():
        yield from parts(member)


def every_part(prototype, real):
    return [part for argument in prototype.argument_types(real) for part in parts(argument)]


@pytest.mark.parametrize("name", PROTOTYPES)
def test_the_call_of_a_prototype_has_its_name(name):
    assert vars(prototypes)[f"call_{name.lower()}"] is PROTOTYPES[name].call


@REALS
@pytest.mark.parametrize("name", PROTOTYPES)
def test_every_float_that_is_pointed_to_is_a_parameter_s(name, real):
    """By the first of them, a call finds the dtype."""
    pointed_to = [p.dtype for p in every_part(PROTOTYPES[name], real) if isinstance(p, types.CPointer)]
    assert {dtype for dtype in pointed_to if isinstance(dtype, types.Float)} == {real}


@REALS
@pytest.mark.parametrize("name", PROTOTYPES)
def test_integers_have_64_bits_and_arrays_are_pointers(name, real):
    found = every_part(PROTOTYPES[name], real)
    assert {part for part in found if isinstance(part, types.Integer)} <= {types.int64}
    assert not any(isinstance(part, types.Array) for part in found)


@REALS
@pytest.mark.parametrize("name", PROTOTYPES)
def test_named_tuples_are_those_of_the_kernels_and_complete(name, real):
    for part in every_part(PROTOTYPES[name], real):
        if isinstance(part, types.BaseNamedTuple):
            assert part.instance_class in {DataArrays, NetworkArrays, ParamArrays}
            assert len(part) == len(part.instance_class._fields)


@pytest.mark.parametrize("name", PROTOTYPES)
def test_an_implementation_takes_as_many_arguments_as_are_declared(engine, name):
    found = [one for one in engine.implementations if one.argument_types is PROTOTYPES[name].argument_types]
    assert found
    for implementation in found:
        n_arguments = len(inspect.signature(implementation.kernel.py_func).parameters)
        assert n_arguments == len(PROTOTYPES[name].argument_types(types.float32)), implementation.name


def test_every_implementation_has_one_of_the_prototypes(engine):
    declared = {prototype.argument_types for prototype in PROTOTYPES.values()}
    assert {implementation.argument_types for implementation in engine.implementations} == declared


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_implementation_has_an_address_of_its_own(engine, dtype):
    """But for bf16 products, which have sums in float32, and instructions that some CPUs lack."""
    has_bf16 = dtype == "float32" and not unavailable_reason()
    present = [one for one in engine.implementations if has_bf16 or not one.name.startswith("bf16")]
    addresses = [one.address(dtype) for one in present]
    assert 0 not in addresses
    assert len(set(addresses)) == len(addresses)
