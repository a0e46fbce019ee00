"""Transposition of square blocks in registers. Knows vectors; nothing of what is in them."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastmlp.codegen.simd import I32, I64, Vector, call, data_pointer, item_bytes, pointer_to, splat


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


#: Octets of a word: what is exchanged between the rows of a block.
WORD_BYTES = 4


@intrinsic
def transpose_samples(_: Any, octets: Any, places: Any, kind: Any, k: Any, scaling: Any, out: Any, t: Any) -> Any:
    """``out[t + j * stride + i] = X[place(i), k + j] * factor[k + j] + offset[k + j]``, for a vector of samples i.

    X is of uint8 or float32 numbers, as its octets lie; j < 4 lanes for uint8, j < lanes for float32: a word a lane is
    exchanged, four uint8 at a time, and taken apart when it lies in place. That is a quarter of the exchanges for
    pixels, and one pass instead of two for numbers. places is (rows, first, last, sample_bytes), place(i) being
    rows[min(first + i, last)]; scaling is (factor, offset); t is (place in out, stride).
    """
    vector, source = Vector(out.dtype), kind.instance_type
    lanes, per_word = vector.lanes, WORD_BYTES // item_bytes(source)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        parts = [
            builder.gep(data_pointer(context, builder, sig.args[4][i], builder.extract_value(args[4], i)), [args[3]])
            for i in range(2)
        ]
        target = data_pointer(context, builder, sig.args[5], args[5])
        start, stride = (builder.extract_value(args[6], i) for i in range(2))
        number_type = context.get_data_type(vector)
        words = _sample_words(context, builder, sig, args, builder.mul(args[3], I64(item_bytes(source))), lanes)
        for q, word in enumerate(_transposed(builder, words)):
            for b in range(per_word):
                j = I64(per_word * q + b)
                scale = [splat(builder, builder.load(builder.gep(part, [j])), lanes) for part in parts]
                number = call(builder, "fma", [_number(builder, word, b, source, number_type), *scale])
                pointer = pointer_to(builder, target, builder.add(start, builder.mul(stride, j)), number_type)
                builder.store(number, pointer, align=item_bytes(vector.element))
        return context.get_dummy_value()

    return types.void(octets, places, kind, types.intp, scaling, out, t), emit


def _sample_words(
    context: Any, builder: ir.IRBuilder, sig: Any, args: Any, octet: ir.Value, lanes: int
) -> list[ir.Value]:
    """A vector of words from each sample in `places`, beginning `octet` octets behind the sample's first."""
    X = data_pointer(context, builder, sig.args[0], args[0])
    rows, first, last, sample_bytes = (builder.extract_value(args[1], i) for i in range(4))
    order, words = data_pointer(context, builder, sig.args[1][0], rows), []
    for i in range(lanes):
        wanted = builder.add(first, I64(i))
        place = builder.select(builder.icmp_signed("<", wanted, last), wanted, last)
        row = builder.sext(builder.load(builder.gep(order, [place])), I64)
        start = builder.add(builder.mul(row, sample_bytes), octet)
        words.append(builder.load(pointer_to(builder, X, start, ir.VectorType(I32, lanes)), align=1))
    return words


def _number(builder: ir.IRBuilder, word: ir.Value, b: int, source: Any, number: ir.VectorType) -> ir.Value:
    """The number in a word, or its b-th octet, as one of the network's type."""
    lanes = number.count
    if source == types.uint8:
        shifted = builder.lshr(word, ir.Constant(word.type, [8 * b] * lanes))
        return builder.sitofp(builder.and_(shifted, ir.Constant(word.type, [255] * lanes)), number)
    single = ir.VectorType(ir.FloatType(), lanes)
    value = builder.bitcast(word, single)
    return value if number == single else builder.fpext(value, number)
