"""LLVM intrinsics that transpose square blocks in registers: of a matrix, and of samples that are gathered by row."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastmlp.codegen.simd import I32, I64, Vector, call, data_pointer, item_bytes, pointer_to, splat


@intrinsic
def transpose_block(
    _: Any, source: Any, source_start: Any, source_stride: Any, target: Any, target_start: Any, target_stride: Any
) -> Any:
    """Transpose a block of lanes x lanes elements, given by its first element and row stride, from source to target."""
    vector = Vector(source.dtype)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        ir_type = context.get_data_type(vector)
        source_base, target_base = (data_pointer(context, builder, sig.args[i], args[i]) for i in (0, 3))

        def row(base: ir.Value, start: ir.Value, stride: ir.Value, index: int) -> ir.Value:
            return pointer_to(builder, base, builder.add(start, builder.mul(stride, I64(index))), ir_type)

        align = item_bytes(vector.element)
        rows = [builder.load(row(source_base, args[1], args[2], i), align=align) for i in range(vector.lanes)]
        for i, column in enumerate(_transposed(builder, rows)):
            builder.store(column, row(target_base, args[4], args[5], i), align=align)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp, types.intp), emit


def _transposed(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """The columns of a square block whose rows are in registers, by log2(lanes) rounds of exchanges between rows."""
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


#: Bytes per lane of the vectors that are exchanged between rows.
WORD_BYTES = 4


@intrinsic
def transpose_samples(
    _: Any, raw: Any, samples: Any, dtype: Any, first_feature: Any, scaling: Any, out: Any, target: Any
) -> Any:
    """Gather, transpose and scale a vector of samples: ``out[start + j * stride + i] = X[row(i), k + j] * f + o``.

    f is ``factor[k + j]`` and o is ``offset[k + j]``, for ``j < 4 * lanes`` where X is uint8, ``j < lanes`` where it is
    float32.

    Samples are transposed in words of 4 bytes, one per lane: one float32, or four uint8, which are separated after the
    transposition. Pixels then need a quarter of the exchanges, and float32 one pass over memory instead of two.

    Parameters
    ----------
    raw : uint8 array or pointer
        Bytes of X, which is uint8 or float32.
    samples : (order, first, last, sample_bytes)
        Sample i is row ``order[min(first + i, last)]`` of X; rows are sample_bytes apart.
    dtype : type
        uint8 or float32.
    first_feature : int
        The k above.
    scaling : (factor, offset)
        Arrays with one element per feature.
    out : array
        The destination, float32 or float64.
    target : (start, stride)
        Index of the first element in `out`, and the distance from one feature to the next.
    """
    vector, source_type = Vector(out.dtype), dtype.instance_type
    lanes, per_word = vector.lanes, WORD_BYTES // item_bytes(source_type)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        factor_and_offset = [
            builder.gep(data_pointer(context, builder, sig.args[4][i], builder.extract_value(args[4], i)), [args[3]])
            for i in range(2)
        ]
        out_base = data_pointer(context, builder, sig.args[5], args[5])
        start, stride = (builder.extract_value(args[6], i) for i in range(2))
        ir_type = context.get_data_type(vector)
        first_byte = builder.mul(args[3], I64(item_bytes(source_type)))
        words = _load_words(context, builder, sig, args, first_byte, lanes)
        for q, word in enumerate(_transposed(builder, words)):
            for b in range(per_word):
                j = I64(per_word * q + b)
                scale = [splat(builder, builder.load(builder.gep(base, [j])), lanes) for base in factor_and_offset]
                number = call(builder, "fma", [_number(builder, word, b, source_type, ir_type), *scale])
                pointer = pointer_to(builder, out_base, builder.add(start, builder.mul(stride, j)), ir_type)
                builder.store(number, pointer, align=item_bytes(vector.element))
        return context.get_dummy_value()

    return types.void(raw, samples, dtype, types.intp, scaling, out, target), emit


def _load_words(
    context: Any, builder: ir.IRBuilder, sig: Any, args: Any, first_byte: ir.Value, lanes: int
) -> list[ir.Value]:
    """Load one vector of words from each sample, beginning at its byte `first_byte`."""
    X = data_pointer(context, builder, sig.args[0], args[0])
    order_array, first, last, sample_bytes = (builder.extract_value(args[1], i) for i in range(4))
    order, words = data_pointer(context, builder, sig.args[1][0], order_array), []
    for i in range(lanes):
        unbounded = builder.add(first, I64(i))
        place = builder.select(builder.icmp_signed("<", unbounded, last), unbounded, last)
        row = builder.sext(builder.load(builder.gep(order, [place])), I64)
        start = builder.add(builder.mul(row, sample_bytes), first_byte)
        words.append(builder.load(pointer_to(builder, X, start, ir.VectorType(I32, lanes)), align=1))
    return words


def _number(builder: ir.IRBuilder, word: ir.Value, b: int, source_type: Any, vector: ir.VectorType) -> ir.Value:
    """The float32 numbers in a vector of words, or their b-th bytes, converted to the type `vector`."""
    lanes = vector.count
    if source_type == types.uint8:
        shifted = builder.lshr(word, ir.Constant(word.type, [8 * b] * lanes))
        return builder.sitofp(builder.and_(shifted, ir.Constant(word.type, [255] * lanes)), vector)
    single = ir.VectorType(ir.FloatType(), lanes)
    value = builder.bitcast(word, single)
    return value if vector == single else builder.fpext(value, vector)
