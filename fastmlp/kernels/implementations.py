"""The kernels that a network calls by their address, by its settings."""

from fastmlp.codegen.indirect import Implementation
from fastmlp.kernels import activation, bf16_dense, loss, matmul, sampling, sparse, step, update
from fastmlp.kernels import layout as at
from fastmlp.kernels.predict import SCALE as SCALE
from fastmlp.kernels.sparse import CONVERSIONS as CONVERSIONS
from fastmlp.kernels.sparse import sparse_predict as sparse_predict
from fastmlp.settings import OPTIMIZERS

#: A choice of kernels, by the entry of `common` that has their address.
Choice = dict[int, Implementation]


def for_prediction(activation_name: str, loss_name: str) -> Choice:
    """The kernels of a prediction, but those for the samples: `SCALE`, or `CONVERSIONS` and `sparse_predict`."""
    return {
        at.PRODUCT: matmul.product_block,
        at.ACTIVATION_FORWARD: activation.FORWARD[activation_name],
        at.LOSS_FORWARD: loss.FORWARD[loss_name],
    }


def for_training(
    activation_name: str,
    loss_name: str,
    optimizer: str,
    *,
    clips: bool,
    drops_out: bool,
    smooths: bool,
    bf16: bool,
    updates: bool = True,
) -> Choice:
    """The kernels of training, but those that gather a batch: `for_samples`.

    Parameters
    ----------
    activation_name, loss_name, optimizer : str
        Names in `fastmlp.settings`.
    clips, drops_out, smooths, bf16 : bool
        Whether the gradient is clipped, units are dropped, the labels of cross-entropy are smoothed, and layers are
        computed in bf16.
    updates : bool
        Whether a step updates the weights. If not, it stores the gradient, and the optimizer is not used.
    """
    code = OPTIMIZERS[optimizer].code
    chosen = for_prediction(activation_name, loss_name)
    chosen[at.LOSS_BACKWARD], chosen[at.UPDATE] = loss.BACKWARD[loss_name], update.UPDATES[code]
    if activation_name in activation.BACKWARD:
        chosen[at.ACTIVATION_BACKWARD] = activation.BACKWARD[activation_name]
    if not updates:
        chosen[at.UPDATE] = update.gradient_store
    elif clips:
        chosen[at.STORED_UPDATE], chosen[at.UPDATE] = chosen[at.UPDATE], update.gradient_store
        chosen[at.CLIPPED_UPDATE] = step.clipped_update
    elif optimizer == "sgd":
        chosen[at.DESCENT] = matmul.product_descent
    if drops_out:
        chosen[at.DROPOUT] = activation.dropout_forward
    if smooths and loss_name == "cross_entropy":
        chosen[at.SMOOTHING_FORWARD] = loss.smoothing_forward
    if bf16:
        chosen[at.FIRST_LAYER] = bf16_dense.bf16_fused_update_forward
        chosen[at.BF16_FORWARD], chosen[at.BF16_BACKWARD] = bf16_dense.bf16_forward, bf16_dense.bf16_backward
        chosen[at.BF16_UPDATE] = bf16_dense.bf16_update
    return chosen


def for_samples(dtype: str, is_sparse: bool = False) -> Choice:
    """The kernels that gather a batch of samples of a dtype: uint8, float32 or float64.

    For sparse samples, those of the first layer, in place of others that `for_training` has chosen.
    """
    if is_sparse:
        return {at.CONVERT: CONVERSIONS[dtype], at.FIRST_LAYER: sparse.sparse_update_forward}
    return {at.GATHER_ROWS: sampling.ROWS[dtype], at.GATHER_COLUMNS: sampling.COLUMNS[dtype]}
