"""LLVM intrinsics on the bits of floating-point vectors: exponent, mantissa, powers of two, estimated reciprocal."""

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from fastmlp.codegen.simd import I32, I64


def _mantissa_bits(vector: ir.VectorType) -> int:
    return 23 if isinstance(vector.element, ir.FloatType) else 52


def _bits(builder: ir.IRBuilder, value: ir.Value) -> tuple[ir.Value, Any]:
    """The bits of a vector as integers of the same width, and a function that makes constants of their type."""
    lanes = value.type.count
    integers = ir.VectorType(I32 if isinstance(value.type.element, ir.FloatType) else I64, lanes)
    return builder.bitcast(value, integers), lambda number: ir.Constant(integers, [number] * lanes)


@intrinsic
def two_to(_: Any, rounded: Any) -> Any:
    """``2**n``, where `rounded` is ``n + 1.5 * 2**mantissa_bits``, whose low bits are the integer n."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        width = _mantissa_bits(args[0].type)
        bits, constant = _bits(builder, args[0])
        bias = (127 if width == 23 else 1023) << width
        shifted = builder.add(builder.shl(bits, constant(width)), constant(bias))
        return builder.bitcast(shifted, args[0].type)

    return rounded(rounded), emit


@intrinsic
def exponent(_: Any, x: Any) -> Any:
    """The n of ``x = m * 2**n`` with m in [1, 2), for positive normal x."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        width = _mantissa_bits(args[0].type)
        bits, constant = _bits(builder, args[0])
        biased = builder.lshr(bits, constant(width))
        return builder.sitofp(builder.sub(biased, constant(127 if width == 23 else 1023)), args[0].type)

    return x(x), emit


@intrinsic
def mantissa(_: Any, x: Any) -> Any:
    """The m of ``x = m * 2**n`` with m in [1, 2), for positive normal x."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        width = _mantissa_bits(args[0].type)
        bits, constant = _bits(builder, args[0])
        one = (127 if width == 23 else 1023) << width
        scaled = builder.or_(builder.and_(bits, constant((1 << width) - 1)), constant(one))
        return builder.bitcast(scaled, args[0].type)

    return x(x), emit


@intrinsic
def reciprocal_estimate(_: Any, x: Any) -> Any:
    """``1 / x`` within 13 % for positive x, by negating the bits of x, which are nearly linear in its logarithm."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        bits, constant = _bits(builder, args[0])
        minuend = constant(0x7EF311C7 if _mantissa_bits(args[0].type) == 23 else 0x7FDE623822FC16E6)
        return builder.bitcast(builder.sub(minuend, bits), args[0].type)

    return x(x), emit
