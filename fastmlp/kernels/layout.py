"""The arguments that kernels share: named tuples of arrays, and the entries of their int64 tables.

Sizes, offsets and choices are numbers in int64 tables, not types, so that one compilation serves every network.
Python passes arrays to the entry points, which replace them by pointers (`fastmlp.kernels.epoch.pointers`): below, the
named tuples hold pointers to the first elements. This module imports no Numba.
"""

from typing import Any, NamedTuple


class DataArrays(NamedTuple):
    """Samples as they lie in memory, and the scaling that the gather of a batch applies.

    Attributes
    ----------
    X : uint8 (sample_bytes,)
        Bytes of the first sample; the others follow in memory. Read-only.
    sample_bytes : int
        Bytes from one sample to the next.
    itemsize : int
        Bytes of a feature.
    factor, offset : (n_features padded to whole vectors,)
        The network's input is ``X * factor + offset``.
    indptr : int64 (n_samples + 1,) or (0,)
        Of sparse samples (CSR), whose sample_bytes and offset are 0: the non-zeros of sample i are those from
        ``indptr[i]`` to ``indptr[i + 1]``. X has their bytes.
    indices : int32 (n_non_zeros,) or (0,)
        The feature of each non-zero, ascending within a sample.
    """

    X: Any
    sample_bytes: Any
    itemsize: Any
    factor: Any
    offset: Any
    indptr: Any
    indices: Any


class TargetPointers(NamedTuple):
    """The targets of the samples, see `fastmlp.model.kernel_args.Targets`, as kernels pass them on.

    Attributes
    ----------
    labels : pointer to int32
        Class labels, if `has_labels` is 1.
    values : pointer
        Otherwise target values, (n_samples, n_outputs).
    weights : pointer to float64
        Sample weights, if `has_weights` is 1.
    has_labels, has_weights : int
        See above.
    """

    labels: Any
    values: Any
    weights: Any
    has_labels: Any
    has_weights: Any


class ParamArrays(NamedTuple):
    """The parameters, the moment estimates and the gradient, all laid out as theta.

    Attributes
    ----------
    theta : (n_stored,)
        Weights and biases of all layers, see `fastmlp.model.params.Params`.
    m, v : (n_stored,) or (0,)
        Moment estimates; empty where the optimizer has none.
    gradient : (n_stored,) or (0,)
        The whole gradient; empty unless its norm is clipped, or it is stored and no weight is updated.
    """

    theta: Any
    m: Any
    v: Any
    gradient: Any


class NetworkArrays(NamedTuple):
    """A network and its workspace.

    Attributes
    ----------
    params : ParamArrays
        The parameters.
    layers : int64 (n_layers, N_LAYER_ENTRIES)
        Sizes and offsets of each layer.
    work : (n_work,)
        Scratch memory, in the dtype of the parameters.
    common : int64 (N_COMMON_ENTRIES,)
        Sizes and offsets that all layers share; of each thread its own.
    barrier : int64 (N_BARRIER_ENTRIES,)
        Memory of the threads' barrier, see `ARRIVED`.
    entries : int32 (n_entries,)
        Scratch memory for the non-zeros of a batch of sparse samples, see `fastmlp.kernels.sparse`; otherwise empty.
    """

    params: Any
    layers: Any
    work: Any
    common: Any
    barrier: Any
    entries: Any


class OptimizerState(NamedTuple):
    """State of an optimizer besides its moment estimates: hyperparameters, powers and coefficients.

    Attributes
    ----------
    hyperparameters : float64 (N_HYPERPARAMETERS,)
        See `fastmlp.kernels.optimizer_state`.
    powers : float64 (N_POWERS,)
        See `fastmlp.kernels.optimizer_state`; carried from step to step.
    coefficients : (2 N_COEFFICIENTS,)
        Scratch: coefficients of a step for weights, then for biases.
    """

    hyperparameters: Any
    powers: Any
    coefficients: Any


# Entries of a row of `layers`. W, B: offsets in theta; A, DZ: offsets in work of the activations and their deltas.
# DERIVATIVE: offset of the stored f'(Z); equal to A where it is not stored. AT: offset of A with samples as rows, their
# stride AT_STRIDE. BF16: 1 where the products of the layer are computed in bf16.
FAN_IN, FAN_OUT, W, W_STRIDE, B, A, DZ, DERIVATIVE, AT, BF16 = range(10)
N_LAYER_ENTRIES = 10

# Entries of `common`.
# BATCH: samples of a full batch; STRIDE: row stride of A and DZ; PANEL: inputs in a panel of the first layer.
BATCH, STRIDE, PANEL = range(3)
# Offsets in work of a panel of a batch, samples as ROWS and as COLUMNS; of the columns' sums of squares; AT_STRIDE: row
# stride of a hidden layer's activations with samples as rows.
ROWS, COLUMNS, COLUMN_SQUARES, AT_STRIDE = range(3, 7)
# Offsets of the block of a weight gradient that is being applied, of a row of zeros, and of a batch's targets (one row
# per output), sample weights and losses.
GRADIENT, ZEROS, TARGETS, WEIGHTS, LOSS = range(7, 12)
# SCALARS: offset of the scalars below; N_LAYERS: number of layers.
SCALARS, N_LAYERS = range(12, 14)
# DROPPED: of 65,536 random draws, how many drop a unit; DRAW: state of the generator in this step; MASK: offset of a
# row of dropout masks.
DROPPED, DRAW, MASK = range(14, 17)
# For bf16 products. TERMS: bf16 terms of a weight or a delta; INPUT_TERMS: those of an input, 1 for pixels, which are
# bf16 numbers as they are (IS_RAW). TILE_HEIGHT: rows in a tile of weights or deltas.
TERMS, INPUT_TERMS, IS_RAW, TILE_HEIGHT = range(17, 21)
# Offsets of packed operands: a block of weights; all deltas; a panel of the next batch by features; the previous and
# the next batch by samples, whole; a tile that is being packed.
WEIGHT_TILES, DELTA_TILES, FEATURE_TILES, PREVIOUS_TILES, NEXT_TILES, PACKED = range(21, 27)
# The thread that this table is for, counted from 0, and the number of threads.
RANK, N_THREADS = range(27, 29)
# Addresses of kernels, see `fastmlp.kernels.prototypes`; 0 where the network needs none. DESCENT: SGD's update of
# weights while their gradient is in registers; UPDATE: that of other optimizers, and of biases; where the gradient is
# clipped, UPDATE stores it and STORED_UPDATE applies it; where a step updates nothing, UPDATE stores it.
PRODUCT, DESCENT, UPDATE, STORED_UPDATE, CLIPPED_UPDATE = range(29, 34)
ACTIVATION_FORWARD, ACTIVATION_BACKWARD, DROPOUT, LOSS_FORWARD, LOSS_BACKWARD, SMOOTHING_FORWARD = range(34, 40)
# FIRST_LAYER: update and forward pass of a first layer with bf16 products, or for sparse samples.
GATHER_ROWS, GATHER_COLUMNS = range(40, 42)
FIRST_LAYER, BF16_FORWARD, BF16_BACKWARD, BF16_UPDATE = range(42, 46)
# For sparse samples. CONVERT: address of the kernel that converts their values; 0 for dense samples. IS_SCALED: whether
# their factors are other numbers than 1. Offsets in work: SAMPLE_ROWS, of the first layer's pre-activations or deltas
# with samples as rows, their stride SAMPLE_STRIDE; VALUES, of the values of a batch, sample by sample; FEATURE_VALUES,
# of the same, feature by feature. Offsets in entries: see `features_count`, `touched_starts` and `batch_group` in
# `fastmlp.kernels.sparse`.
CONVERT, IS_SCALED, SAMPLE_ROWS, SAMPLE_STRIDE, VALUES, FEATURE_VALUES = range(46, 52)
ENDS, TOUCHED, STARTS, PLACES = range(52, 56)
N_COMMON_ENTRIES = 56

# Scalars, in the dtype of the parameters: targets of a sample's label and of the other labels after smoothing; delta of
# Huber's loss; factor of the units that dropout keeps; share of label smoothing; factor of the weights and deltas of
# pixels that enter bf16 products, 1 for other inputs.
ON, OFF, HUBER_DELTA, KEEP_SCALE, SMOOTHING, PIXEL_SCALE = range(6)

# Integers of `fastmlp.kernels.epoch.train_chunk`.
FIRST, STOP, OPTIMIZER, SHUFFLE, ORDER_STATE, DROPOUT_STATE, OFFSET = range(7)
N_INTEGERS = 7

#: Rows of the first layer's weights that are updated at a time where samples are sparse.
BLOCK_FEATURES = 16

#: Dtypes of samples.
SAMPLE_DTYPES = "uint8", "float32", "float64"

#: Entries of the memory of a barrier, each in a cache line of its own: threads that have arrived, times that all have
#: arrived, and whether a thread has failed, so that none waits for it.
ARRIVED, GENERATION, ABORTED = 0, 8, 16
N_BARRIER_ENTRIES = 24
