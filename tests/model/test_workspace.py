import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmlp.codegen.cpu import LINE_BYTES
from fastmlp.config import Config
from fastmlp.kernels import layout as at
from fastmlp.kernels.implementations import for_samples, for_training
from fastmlp.model.params import Params
from fastmlp.model.workspace import Workspace

networks = st.lists(st.integers(1, 50), min_size=2, max_size=4).map(tuple)


@settings(deadline=None)
@given(networks, st.sampled_from(["float32", "float64"]), st.integers(1, 100))
def test_all_parts_are_aligned_within_bounds_and_disjoint(sizes, dtype, batch_size):
    workspace = Workspace(Params(sizes, dtype), Config(activation="gelu"), batch_size, n_threads=3)
    layers, work = workspace.layers, workspace.work
    shared = [at.ZEROS, at.TARGETS, at.WEIGHTS, at.LOSS, at.SCALARS, at.COLUMN_SQUARES]
    scratch = [at.ROWS, at.COLUMNS, at.GRADIENT, at.MASK]
    starts = [layers[:, [at.A, at.DZ, at.DERIVATIVE]].ravel(), layers[:-1, at.AT], workspace.commons[0][shared]]
    starts = np.sort(np.concatenate([*starts, *(common[scratch] for common in workspace.commons)]))
    assert (starts * work.itemsize % LINE_BYTES == 0).all()
    assert work.ctypes.data % LINE_BYTES == 0
    assert (np.diff(starts) > 0).all()
    assert 0 <= starts[0] < starts[-1] < work.size


@settings(deadline=None)
@given(networks, st.integers(1, 100))
def test_activations_and_deltas_of_a_whole_batch_fit(sizes, batch_size):
    workspace = Workspace(Params(sizes, "float32"), Config(activation="gelu"), batch_size)
    layers, work, common = workspace.layers, workspace.work, workspace.commons[0]
    stride = common[at.STRIDE]
    assert stride >= batch_size
    starts = np.append(np.sort(layers[:, [at.A, at.DZ, at.DERIVATIVE]].ravel()), work.size)
    for start, room in zip(starts, np.diff(starts), strict=False):
        layer = next(row for row in layers if start in (row[at.A], row[at.DZ], row[at.DERIVATIVE]))
        assert room >= layer[at.FAN_OUT] * stride


def test_the_table_of_layers_has_their_sizes_and_the_offsets_of_their_parameters():
    params = Params((5, 4, 3), "float32")
    workspace = Workspace(params, Config(), 8)
    layers, common = workspace.layers, workspace.commons[0]
    assert layers[:, [at.FAN_IN, at.FAN_OUT]].tolist() == [[5, 4], [4, 3]]
    assert [tuple(row) for row in layers[:, [at.W, at.W_STRIDE, at.B]]] == list(params.starts)
    assert common[at.BATCH] == 8


@pytest.mark.parametrize("n_non_zeros", [0, 1, 16, 17, 32])
def test_the_values_of_a_sparse_batch_fit_in_whole_vectors_wherever_the_last_sample_begins(n_non_zeros):
    workspace = Workspace(Params((5, 3), "float32", True), Config(), 8, n_threads=2, n_non_zeros=n_non_zeros)
    for common in workspace.commons:
        assert common[at.FEATURE_VALUES] - common[at.VALUES] >= n_non_zeros + (15 if n_non_zeros else 0)
        assert workspace.work.size - common[at.FEATURE_VALUES] >= n_non_zeros


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scratch_memory_has_the_dtype_of_the_parameters(dtype):
    workspace = Workspace(Params((5, 3), dtype), Config(), 8)
    assert {workspace.work.dtype, workspace.coefficients[0].dtype} == {np.dtype(dtype)}


FLAGS = {"clip_norm": 0.1, "dropout": 0.5, "label_smoothing": 0.1}


@pytest.mark.parametrize("chosen", [{}, *({name: value} for name, value in FLAGS.items()), FLAGS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_thread_has_the_addresses_of_the_kernels_for_the_config(dtype, chosen):
    config = Config(activation="tanh", precision=dtype, **chosen)
    workspace = Workspace(Params((5, 4, 3), dtype), config, 8, n_threads=3)
    workspace.set_samples("float64")
    workspace.set_samples("uint8")
    clips, drops_out, smooths = (name in chosen for name in FLAGS)
    choice = for_training("tanh", "cross_entropy", "sgd", clips=clips, drops_out=drops_out, smooths=smooths, bf16=False)
    expected = {entry: kernel.address(dtype) for entry, kernel in (choice | for_samples("uint8")).items()}
    for common in workspace.commons:
        entries = range(at.PRODUCT, at.BF16_UPDATE + 1)
        assert {entry: common[entry] for entry in entries if common[entry] != 0} == expected
