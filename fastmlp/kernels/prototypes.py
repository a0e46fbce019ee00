"""The kinds of kernels that are called by their address: optimizers, activations, losses and the like.

Their addresses stand in the table `common`, see `fastmlp.kernels.layout`, or 0 where a network needs none.
`fastmlp.kernels.implementations` chooses the kernels of a network.
"""

from typing import Any

from numba import types

from fastmlp.codegen.indirect import Prototype
from fastmlp.kernels.layout import DataArrays, NetworkArrays, ParamArrays

_INT, _PAIR = types.int64, types.UniTuple(types.int64, 2)
_INTS, _INT32S, _BYTES = types.CPointer(types.int64), types.CPointer(types.int32), types.CPointer(types.uint8)


def _matrix(real: types.Float) -> types.Type:
    """(pointer, row stride, column stride), see `fastmlp.kernels.matmul.matrix`."""
    return types.Tuple((types.CPointer(real), _INT, _INT))


def _params(real: types.Float) -> types.Type:
    return types.NamedUniTuple(types.CPointer(real), len(ParamArrays._fields), ParamArrays)


def _data(real: types.Float) -> types.Type:
    reals = types.CPointer(real)
    return types.NamedTuple((_BYTES, _INT, _INT, reals, reals, _INTS, _INT32S), DataArrays)


def _net(real: types.Float) -> types.Type:
    return types.NamedTuple((_params(real), _INTS, types.CPointer(real), _INTS, _INTS, _INT32S), NetworkArrays)


def _pointers(*members: Any) -> Any:
    """Argument types, of which `None` stands for a pointer to the parameters' type, a function for its result."""

    def argument_types(real: types.Float) -> tuple[types.Type, ...]:
        chosen = (types.CPointer if member is None else member for member in members)
        return tuple(member if isinstance(member, types.Type) else member(real) for member in chosen)

    return argument_types


#: C, C0, A, B, M, N, K: `fastmlp.kernels.matmul.product_block`.
PRODUCT = Prototype(_pointers(_matrix, _matrix, _matrix, _matrix, _INT, _INT, _INT))
#: C, A, B, alpha, beta, M, N, K: `fastmlp.kernels.matmul.product_descent`.
DESCENT = Prototype(_pointers(_matrix, _matrix, _matrix, lambda real: real, lambda real: real, _INT, _INT, _INT))
#: params, start, stride, G, n_rows, n_columns, coefficients: an optimizer's update of a block of weights.
UPDATE = Prototype(_pointers(_params, _INT, _INT, _matrix, _INT, _INT, None))
#: work, A, D or dA, stride, n_rows, m: an activation, or its derivative, in place.
ACTIVATION = Prototype(_pointers(None, _INT, _INT, _INT, _INT, _INT))
#: work, common, layer, index of the layer, columns: `fastmlp.kernels.activation.dropout_forward`.
DROPOUT = Prototype(_pointers(None, _INTS, _INTS, _INT, _PAIR))
#: work, common, last layer, column, m: outputs and losses, or deltas.
LOSS = Prototype(_pointers(None, _INTS, _INTS, _INT, _INT))
#: work, logits, stride, n_classes, labels, loss, smoothing, m: `fastmlp.kernels.loss.smoothing_forward`.
SMOOTHING = Prototype(_pointers(None, _INT, _INT, _INT, _INT, _INT, _INT, _INT))
#: data, order, batch, columns, out, start, stride: a panel of a batch, samples as rows.
GATHER_ROWS = Prototype(_pointers(_data, _INT32S, _PAIR, _PAIR, None, _INT, _INT))
#: data, order, batch, columns, work, common: a panel of a batch, samples as columns.
GATHER_COLUMNS = Prototype(_pointers(_data, _INT32S, _PAIR, _PAIR, None, _INTS))
#: data, order, net, batch, max_norm, coefficients: `fastmlp.kernels.step.clipped_update`.
CLIPPED_UPDATE = Prototype(_pointers(_data, _INT32S, _net, _PAIR, types.float64, None))
#: X, bytes from one sample to the next, rows, columns, weights, common, work: samples of a prediction.
SCALE_SAMPLES = Prototype(_pointers(_BYTES, _INT, _PAIR, _PAIR, None, _INTS, None))
#: X, first value, number of values, out, start: values of sparse samples, converted to the dtype of the parameters.
CONVERT = Prototype(_pointers(_BYTES, _INT, _INT, None, _INT))
#: data, order, net, layer, previous, next_batch, coefficients: the update and the forward pass of a first layer.
FIRST_LAYER = Prototype(_pointers(_data, _INT32S, _net, _INTS, _PAIR, _PAIR, None))
#: (X, indptr, indices, address of a `CONVERT`), rows, layer, weights, common, work: the first layer of a prediction.
SPARSE_PREDICT = Prototype(_pointers(types.Tuple((_BYTES, _INTS, _INT32S, _INT)), _PAIR, _INTS, None, _INTS, None))
#: Those of `fastmlp.kernels.bf16_dense`.
BF16_LAYER = Prototype(_pointers(_net, _INTS, _INTS, _PAIR))
BF16_UPDATE = Prototype(_pointers(_net, _INTS, _INTS, _INT, None))

# ``call(address, arguments)`` of each, under names that Numba finds.
call_activation = ACTIVATION.call
call_bf16_layer = BF16_LAYER.call
call_bf16_update = BF16_UPDATE.call
call_clipped_update = CLIPPED_UPDATE.call
call_convert = CONVERT.call
call_descent = DESCENT.call
call_dropout = DROPOUT.call
call_first_layer = FIRST_LAYER.call
call_gather_columns = GATHER_COLUMNS.call
call_gather_rows = GATHER_ROWS.call
call_loss = LOSS.call
call_product = PRODUCT.call
call_scale_samples = SCALE_SAMPLES.call
call_smoothing = SMOOTHING.call
call_sparse_predict = SPARSE_PREDICT.call
call_update = UPDATE.call
