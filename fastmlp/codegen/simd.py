"""SIMD vectors as values in kernels: a Numba type, and LLVM intrinsics to load, compute with and store them.

A vector has `fastmlp.codegen.cpu.vector_bits` bits, of float32 or float64 (and of integers between a load and a
conversion). Arithmetic operators take two vectors, or a vector and a number. Addresses are computed by GEP only: chains
of inttoptr are miscompiled in unrolled loops.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from fastmlp.codegen import cpu

I32 = ir.IntType(32)
I64 = ir.IntType(64)


class Vector(types.Type):
    """Numba's type of a vector of `lanes` numbers of type `element`."""

    def __init__(self, element: Any) -> None:
        self.element = element
        self.lanes = cpu.vector_bits() // element.bitwidth
        super().__init__(f"Vector({element} x {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir_vector(vector.element, vector.lanes))


def ir_vector(element: Any, lanes: int) -> ir.VectorType:
    """LLVM's type of a vector."""
    scalar = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}.get(element)
    return ir.VectorType(scalar or ir.IntType(element.bitwidth), lanes)


def splat(builder: ir.IRBuilder, scalar: ir.Value, lanes: int) -> ir.Value:
    """Vector with `scalar` in every lane."""
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, scalar, I32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, lanes), None))


def call(builder: ir.IRBuilder, name: str, operands: Any) -> ir.Value:
    """Call LLVM's vector intrinsic `name`; llvmlite's own builder accepts only scalars."""
    vector = operands[0].type
    suffix = f"v{vector.count}{'f32' if vector.element == ir.FloatType() else 'f64'}"
    declared = ir.FunctionType(vector, [vector] * len(operands))
    return builder.call(cgutils.get_or_insert_function(builder.module, declared, f"llvm.{name}.{suffix}"), operands)


def pointer_to(builder: ir.IRBuilder, base: ir.Value, index: ir.Value, vector: ir.VectorType) -> ir.Value:
    """Pointer to the vector that begins at element `index` of `base`."""
    return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())


def data_pointer(context: Any, builder: ir.IRBuilder, numba_type: Any, value: ir.Value) -> ir.Value:
    """Pointer to the first element of an array, or of a pointer made by `address`."""
    if isinstance(numba_type, types.CPointer):
        return value
    return context.make_array(numba_type)(context, builder, value).data


def item_bytes(element: Any) -> int:
    """Size in bytes of a scalar of a Numba type."""
    return int(element.bitwidth) // 8


@intrinsic
def address(_: Any, array: Any, index: Any) -> Any:
    """Pointer to ``array[index]``, which is passed to functions without reference counting."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.gep(data_pointer(context, builder, sig.args[0], args[0]), [args[1]])

    return types.CPointer(array.dtype)(array, types.intp), emit


@intrinsic
def n_lanes(_: Any, array: Any) -> Any:
    """Number of an array's elements per vector, as a compile-time constant."""
    lanes = Vector(array.dtype).lanes
    return types.intp(array), lambda context, builder, sig, args: I64(lanes)


@intrinsic
def pointer(_: Any, address: Any, dtype: Any) -> Any:
    """The pointer to numbers of type `dtype` at an address, an integer."""
    pointer_type = types.CPointer(dtype.instance_type)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.inttoptr(args[0], context.get_value_type(pointer_type))

    return pointer_type(types.int64, dtype), emit


@intrinsic
def vload(_: Any, array: Any, index: Any) -> Any:
    """Load ``array[index : index + lanes]``; no alignment is required."""
    vector = Vector(array.dtype)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        base = data_pointer(context, builder, sig.args[0], args[0])
        pointer = pointer_to(builder, base, args[1], context.get_data_type(vector))
        return builder.load(pointer, align=item_bytes(vector.element))

    return vector(array, types.intp), emit


@intrinsic
def vload_as(_: Any, raw: Any, index: Any, dtype: Any, count: Any, out: Any) -> Any:
    """Load numbers of type `dtype` from ``raw[index]``, an array of bytes, and convert them to the dtype of `out`.

    Only the first `count` numbers are read; the other lanes are 0.
    """
    vector, source_type = Vector(out.dtype), dtype.instance_type

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        source = ir_vector(source_type, vector.lanes)
        pointer = pointer_to(builder, data_pointer(context, builder, sig.args[0], args[0]), args[1], source)
        whole = builder.icmp_signed(">=", args[3], I64(vector.lanes))
        with builder.if_else(whole, likely=True) as (then, otherwise):
            with then:
                full = builder.load(pointer, align=1)
                full_block = builder.block
            with otherwise:
                part = _masked_load(builder, pointer, source, args[3])
                part_block = builder.block
        loaded = builder.phi(source)
        loaded.add_incoming(full, full_block)
        loaded.add_incoming(part, part_block)
        return _convert(builder, loaded, context.get_data_type(vector))

    return vector(raw, types.intp, dtype, types.intp, out), emit


def _masked_load(builder: ir.IRBuilder, pointer: ir.Value, vector: ir.VectorType, count: ir.Value) -> ir.Value:
    lanes = vector.count
    index = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
    mask = builder.icmp_signed("<", index, splat(builder, count, lanes))
    letter = {ir.FloatType(): "f32", ir.DoubleType(): "f64"}.get(vector.element) or f"i{vector.element.width}"
    declared = ir.FunctionType(vector, [pointer.type, I32, mask.type, vector])
    function = cgutils.get_or_insert_function(builder.module, declared, f"llvm.masked.load.v{lanes}{letter}.p0")
    return builder.call(function, [pointer, I32(1), mask, ir.Constant(vector, None)])


def _convert(builder: ir.IRBuilder, value: ir.Value, vector: ir.VectorType) -> ir.Value:
    if value.type == vector:
        return value
    if isinstance(value.type.element, ir.IntType):
        wide = builder.zext(value, ir.VectorType(I32, vector.count))
        return builder.sitofp(wide, vector)
    narrower = isinstance(vector.element, ir.FloatType)
    return builder.fptrunc(value, vector) if narrower else builder.fpext(value, vector)


@intrinsic
def vstore(_: Any, array: Any, index: Any, value: Any) -> Any:
    """Store a vector to ``array[index : index + lanes]``."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        base = data_pointer(context, builder, sig.args[0], args[0])
        builder.store(args[2], pointer_to(builder, base, args[1], args[2].type), align=item_bytes(value.element))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), emit


@intrinsic
def broadcast(_: Any, array: Any, index: Any) -> Any:
    """Vector with ``array[index]`` in every lane."""
    vector = Vector(array.dtype)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        scalar = builder.load(builder.gep(data_pointer(context, builder, sig.args[0], args[0]), [args[1]]))
        return splat(builder, scalar, vector.lanes)

    return vector(array, types.intp), emit


@intrinsic
def zeros(_: Any, array: Any) -> Any:
    """Vector of zeros in the dtype of an array."""
    vector = Vector(array.dtype)
    return vector(array), lambda context, builder, sig, args: ir.Constant(context.get_data_type(vector), None)


@intrinsic
def fma(_: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, rounded once; operands that are numbers are broadcast."""
    vector = next(x for x in (a, b, c) if isinstance(x, Vector))

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return call(
            builder, "fma", [_as_vector(context, builder, vector, *x) for x in zip(sig.args, args, strict=True)]
        )

    return vector(a, b, c), emit


@intrinsic
def polynomial(_: Any, x: Any, coefficients: Any) -> Any:
    """Polynomial in `x` by Horner's scheme; the coefficient of the highest power comes first."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        numbers = [builder.extract_value(args[1], i) for i in range(coefficients.count)]
        first, *rest = (_as_vector(context, builder, x, types.float64, number) for number in numbers)
        value = first
        for number in rest:
            value = call(builder, "fma", [value, args[0], number])
        return value

    return x(x, coefficients), emit


@intrinsic
def is_float32(_: Any, x: Any) -> Any:
    """Whether a vector is of float32, as a compile-time constant: the branch not taken is not compiled."""
    single = x.element == types.float32
    return types.boolean(x), lambda context, builder, sig, args: ir.Constant(ir.IntType(1), single)


@intrinsic
def sqrt(_: Any, x: Any) -> Any:
    """Square root, correctly rounded."""
    return x(x), lambda context, builder, sig, args: call(builder, "sqrt", args)


def _compare_select(relation: str) -> Any:
    @intrinsic
    def where(_: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
        vector = next(x for x in (a, b, then, otherwise) if isinstance(x, Vector))

        def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            x, y, yes, no = (_as_vector(context, builder, vector, *v) for v in zip(sig.args, args, strict=True))
            return builder.select(builder.fcmp_ordered(relation, x, y), yes, no)

        return vector(a, b, then, otherwise), emit

    return where


#: ``where_less(a, b, then, otherwise)``: ``then`` in the lanes where ``a < b``, else ``otherwise``; NaN compares false.
where_less = _compare_select("<")
#: ``where_equal(a, b, then, otherwise)``: ``then`` in the lanes where ``a == b``, else ``otherwise``.
where_equal = _compare_select("==")


def _as_vector(context: Any, builder: ir.IRBuilder, vector: Vector, numba_type: Any, value: ir.Value) -> ir.Value:
    if isinstance(numba_type, Vector):
        return value
    return splat(builder, context.cast(builder, value, numba_type, vector.element), vector.lanes)


def _vector_operator(function: Any, instruction: str) -> None:
    @infer_global(function)
    class Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            vector = next((x for x in args if isinstance(x, Vector)), None)
            return vector and signature(vector, *args)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        operands = [_as_vector(context, builder, sig.return_type, *x) for x in zip(sig.args, args, strict=True)]
        return getattr(builder, instruction)(*operands)

    for pair in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(function, *pair)(emit)


_vector_operator(operator.add, "fadd")
_vector_operator(operator.sub, "fsub")
_vector_operator(operator.mul, "fmul")
_vector_operator(operator.truediv, "fdiv")


@intrinsic
def prefetch(_: Any, array: Any, index: Any) -> Any:
    """Prefetch the cache line of ``array[index]`` into L2, to be read or written; invalid addresses are ignored."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        byte = ir.IntType(8).as_pointer()
        pointer = builder.gep(data_pointer(context, builder, sig.args[0], args[0]), [args[1]])
        declared = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, declared, "llvm.prefetch.p0")
        builder.call(function, [builder.bitcast(pointer, byte), I32(0), I32(2), I32(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), emit
