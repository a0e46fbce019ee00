"""Transposition of square blocks in registers. Knows vectors; nothing of what is in them."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastmlp.simd import I32, I64, Vector, call, data_pointer, item_bytes, pointer_to, splat


@intrinsic
def transpose_block(_: Any, source: Any, s: Any, s_stride: Any, target: Any, t: Any, t_stride: Any) -> Any:
    """Transpose a block of lanes x lanes elements from `source` (first element s, row stride) to `target`."""
    vector = Vector(source.dtype)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        ir_type = context.get_data_type(vector)
        at_source, at_target = (data_pointer(context, builder, sig.args[i], args[i]) for i in (0, 3))

        def row(base: ir.Value, start: ir.Value, stride: ir.Value, index: int) -> ir.Value:
            return pointer_to(builder, base, builder.add(start, builder.mul(stride, I64(index))), ir_type)

        align = item_bytes(vector.element)
        rows = [builder.load(row(at_source, args[1], args[2], i), align=align) for i in range(vector.lanes)]
        for i, column in enumerate(_transposed(builder, rows)):
            builder.store(column, row(at_target, args[4], args[5], i), align=align)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp, types.intp), emit


def _transposed(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """Columns of a square block held in registers, by log2(lanes) rounds of exchanges between pairs of rows."""
    rows, lanes = list(rows), len(rows)
    distance = 1
    while distance < lanes:
        low = [j if not j & distance else lanes + j - distance for j in range(lanes)]
        high = [j + distance if not j & distance else lanes + j for j in range(lanes)]
        masks = [ir.Constant(ir.VectorType(I32, lanes), order) for order in (low, high)]
        for i in range(lanes):
            if not i & distance:
                pair = rows[i], rows[i + distance]
                rows[i], rows[i + distance] = (builder.shuffle_vector(*pair, mask) for mask in masks)
        distance *= 2
    return rows


@intrinsic
def transpose_octets(_: Any, octets: Any, places: Any, k: Any, scaling: Any, out: Any, t: Any, t_stride: Any) -> Any:
    """``out[j, i] = octets[place(i) + k + j] * factor[k + j] + offset[k + j]``, for i < lanes and j < 4 lanes.

    places is (rows, first, last, sample_bytes): place(i) = rows[min(first + i, last)] * sample_bytes. scaling is
    (factor, offset). Octets are exchanged four at a time, as words, and taken apart when they lie in place: a quarter
    of the exchanges.
    """
    vector = Vector(out.dtype)
    lanes = vector.lanes

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        at = [data_pointer(context, builder, sig.args[i], args[i]) for i in (0, 4)]
        rows, first, last, sample_bytes = (builder.extract_value(args[1], i) for i in range(4))
        rows = data_pointer(context, builder, sig.args[1][0], rows)
        factor, offset = (
            builder.gep(data_pointer(context, builder, sig.args[3][i], builder.extract_value(args[3], i)), [args[2]])
            for i in range(2)
        )
        words_type, number_type = ir.VectorType(I32, lanes), context.get_data_type(vector)
        words = []
        for i in range(lanes):
            wanted = builder.add(first, I64(i))
            place = builder.select(builder.icmp_signed("<", wanted, last), wanted, last)
            row = builder.sext(builder.load(builder.gep(rows, [place])), I64)
            start = builder.add(builder.mul(row, sample_bytes), args[2])
            words.append(builder.load(pointer_to(builder, at[0], start, words_type), align=1))
        octet = ir.Constant(words_type, [255] * lanes)
        for q, word in enumerate(_transposed(builder, words)):
            for b in range(4):
                shifted = builder.and_(builder.lshr(word, ir.Constant(words_type, [8 * b] * lanes)), octet)
                scale = [
                    splat(builder, builder.load(builder.gep(part, [I64(4 * q + b)])), lanes)
                    for part in (factor, offset)
                ]
                number = call(builder, "fma", [builder.sitofp(shifted, number_type), *scale])
                target = builder.add(args[5], builder.mul(args[6], I64(4 * q + b)))
                builder.store(number, pointer_to(builder, at[1], target, number_type), align=item_bytes(vector.element))
        return context.get_dummy_value()

    return types.void(octets, places, types.intp, scaling, out, types.intp, types.intp), emit
