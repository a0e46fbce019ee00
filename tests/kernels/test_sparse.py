from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_sparse

from fastmlp.codegen.cpu import vector_bits
from fastmlp.config import Config
from fastmlp.kernels import layout as at
from fastmlp.kernels import sparse
from fastmlp.kernels.microkernel import WIDEST_ROW
from fastmlp.model.kernel_args import data_arrays
from fastmlp.reference import sparse as reference
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS, L2Scale

KINDS = ["uint8", "float32", "float64"]


def config_of(dtype, **settings):
    return Config(precision=dtype.name, **{"hidden": (9, 5), "batch_size": 7, **settings})


def samples_with_zeros(kind, n, n_features, seed=0, density=0.2):
    """Dense samples of which most features are 0, and some samples wholly."""
    random = np.random.default_rng(seed)
    X = random.integers(1, 256, (n, n_features)) if kind == "uint8" else random.normal(size=(n, n_features))
    X = X * (random.random((n, n_features)) < density)
    X[random.random(n) < 0.1] = 0
    return X.astype(kind)


@pytest.mark.parametrize("n_outputs", [1, 3, 16, 17, 40, 16 * WIDEST_ROW, 16 * WIDEST_ROW + 1, 300])
@pytest.mark.parametrize("n_non_zeros", [0, 1, 2, 9])
def test_a_sparse_row_times_a_matrix_equals_its_reference(engine, same_bits, dtype, n_outputs, n_non_zeros):
    random, stride = np.random.default_rng(n_outputs), -(-n_outputs // 16) * 16
    indices = np.sort(random.permutation(20)[:n_non_zeros]).astype(np.int32)
    A, B, C0 = (random.normal(size=shape).astype(dtype) for shape in (n_non_zeros, (20, stride), stride))
    C = np.full(stride, np.nan, dtype)
    matrices = (C, 0, 1), (C0, 0, 1), (A, 0, 1), (B.reshape(-1), stride, 1)
    engine.call(sparse.sparse_product, *matrices, np.append(indices, np.int32(0)), n_outputs, n_non_zeros)
    same_bits(C[:n_outputs], reference.sparse_product(C0, A, B, indices)[:n_outputs])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 15, 16, 17])
def test_values_are_converted_and_followed_by_zeros(engine, same_bits, dtype, kind, n):
    values = np.random.default_rng(n).uniform(0, 255, n + 3).astype(kind)
    out = np.full(64, np.nan, dtype)
    engine.call(sparse.CONVERSIONS[kind], np.frombuffer(values.tobytes(), np.uint8), 3, n, out, 16)
    same_bits(out[16 : 16 + n], values[3:].astype(dtype))
    lanes = vector_bits() // 8 // dtype.itemsize
    assert (out[16 + n : 16 + -(-n // lanes) * lanes] == 0).all()


@pytest.mark.parametrize("m", [1, 4, 30])
@pytest.mark.parametrize("by_occurrence", [False, True])
def test_the_non_zeros_of_a_batch_are_grouped_by_feature(engine, same_bits, dtype, m, by_occurrence):
    """Each group in the order of the samples; the groups in the order of the features, or of their first occurrence."""
    X, random = samples_with_zeros("float32", 40, 50), np.random.default_rng(m)
    run = engine.EpochRun(config_of(dtype, batch_size=30), X, 3, is_moved=False, is_sparse=True)
    net, order, batch = run.nets[0], random.permutation(40).astype(np.int32), (np.int64(2), np.int64(m))
    data = data_arrays(run.samples, run.model.scaling, run.model.params)
    csr = csr_matrix(X)[order[2 : 2 + m]]
    expected = reference.batch_group(csr.indptr, csr.indices)
    scaled = (csr.data.astype(dtype) * run.model.scaling[0].astype(dtype)[csr.indices]).astype(dtype)
    engine.call(sparse.batch_values, data, order, batch, net.work, net.common)
    engine.call(sparse.features_count, data, order, batch, net)
    ends, touched, starts, places = (net.entries[net.common[entry] :] for entry in range(at.ENDS, at.PLACES + 1))
    assert touched[: len(expected)].tolist() == [feature for feature, _, _ in expected]
    assert ends[:50].tolist() == X[order[2 : 2 + m]].astype(bool).sum(axis=0).tolist()
    if by_occurrence:
        engine.call(sparse.touched_starts, net, len(expected))
    else:
        engine.call(sparse.every_start, net, X.shape[1])
    engine.call(sparse.batch_group, data, order, batch, net)
    for group, (feature, rows, positions) in enumerate(expected):
        start = starts[group] if by_occurrence else ends[feature - 1] if feature else 0
        part = slice(start, starts[group + 1] if by_occurrence else ends[feature])
        assert places[part].tolist() == rows
        same_bits(net.work[net.common[at.FEATURE_VALUES] :][part], scaled[positions])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_two_epochs_equal_those_of_dense_samples_by_the_reference(engine, same_bits, dtype, kind, optimizer, l2):
    config = config_of(dtype, optimizer=optimizer, l2=l2, activation="relu")
    run = engine.EpochRun(config, samples_with_zeros(kind, 31, 90), 3, is_moved=False, is_sparse=True)
    for state in (11, 12):
        assert run.train(0.25, state) == run.train_reference(0.25, state)
    for got, ref in zip(run.arrays(), run.network.theta, strict=True):
        same_bits(got, ref)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    n=st.integers(1, 24), n_features=st.integers(1, 70), hidden=st.lists(st.integers(1, 40), max_size=3).map(tuple),
    n_classes=st.integers(2, 20), batch=st.integers(1, 24), seed=st.integers(0, 2**64 - 1), shuffle=st.booleans(),
    activation=st.sampled_from([*ACTIVATIONS]), optimizer=st.sampled_from([*OPTIMIZERS]), scales=st.booleans(),
    loss=st.sampled_from([*LOSSES]), dropout=st.sampled_from([0.0, 0.5]), clip_norm=st.sampled_from([0.0, 0.1]),
    l2=st.sampled_from([0.0, 0.01]), l2_scale=st.sampled_from(get_args(L2Scale)), density=st.sampled_from([0, 0.1, 1]),
    n_threads=st.sampled_from([1, 2, 3]), cuts=st.sampled_from([(), (1,)]),
)  # fmt: skip
def test_an_epoch_of_any_network_equals_that_of_dense_samples_by_the_reference(
    engine, same_bits, dtype, n, n_features, hidden, n_classes, batch, seed, n_threads, density, scales, cuts, **chosen
):
    config = config_of(dtype, hidden=hidden, batch_size=batch, **chosen)
    X = samples_with_zeros("float32", n, n_features, density=density)
    run = engine.EpochRun(config, X, n_classes, is_moved=False, n_threads=n_threads, is_sparse=True, scales=scales)
    cuts = cuts if run.n_steps > 1 else ()
    np.testing.assert_array_equal(run.train(2**-8, seed, cuts), run.train_reference(2**-8, seed))
    for got, ref in zip(run.arrays(), run.network.theta, strict=True):
        same_bits(got, ref)


@pytest.mark.parametrize("scales", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row_per_feature", [False, True])
def test_predictions_equal_those_of_dense_samples_by_the_reference(
    engine, same_bits, dtype, kind, scales, row_per_feature
):
    """Of rows without non-zeros, with a few, and with more than are converted at once."""
    X = samples_with_zeros(kind, 130, 2500, density=0.01)
    X[3:5] = samples_with_zeros(kind, 2, 2500, density=1.0, seed=1)
    run = engine.EpochRun(config_of(dtype, hidden=(20,)), X, 3, is_moved=False, is_sparse=True, scales=scales)
    run.model.store_first_layer(row_per_feature)
    outputs, losses, _ = run.model.forward_validated(run.samples, run.y)
    ref_outputs, ref_losses = run.predict_reference()
    same_bits(outputs, ref_outputs)
    np.testing.assert_array_equal(losses, ref_losses)
    same_bits(run.model.forward_validated(run.samples[4])[0], ref_outputs[4:5])


def test_where_dense_samples_give_nan_sparse_samples_skip_a_product_with_zero(dtype, engine):
    """As the module says: zero times infinity. The samples that have the feature are infinite in both."""
    X = csr_matrix(np.array([[1.0, 0.0], [0.0, 1.0]], dtype))
    run = engine.EpochRun(config_of(dtype, hidden=(), loss="squared_error"), X.toarray(), 1, is_moved=False)
    run.model.scaling, run.model.params.theta[:] = None, 0
    run.model.params.theta[0] = np.inf
    assert np.isnan(run.model.forward_validated(X.toarray())[0]).tolist() == [[False], [True]]
    assert run.model.forward_validated(X)[0].tolist() == [[np.inf], [0.0]]


@pytest.mark.parametrize(("optimizer", "is_kept"), [("sgd", True), ("adam", False)])
def test_subnormal_weights_of_features_without_non_zeros_are_kept_by_plain_sgd_alone(engine, dtype, optimizer, is_kept):
    """As the module says: dense samples make them 0."""
    X = samples_with_zeros("float32", 30, 40)
    X[:, 7] = 0
    for is_sparse in (False, True):
        run = engine.EpochRun(config_of(dtype, optimizer=optimizer), X, 3, is_moved=False, is_sparse=is_sparse)
        run.model.weights[0][7] = subnormal = np.finfo(dtype).smallest_subnormal
        run.train(0.25, 1)
        expected = subnormal if is_sparse and is_kept else 0
        assert (run.model.weights[0][7] == expected).all()


def test_rows_of_weights_that_no_sample_touches_keep_their_bits_under_plain_sgd(engine, dtype):
    X = random_sparse(30, 40, 0.05, "csr", random_state=1).toarray()
    run = engine.EpochRun(config_of(dtype), X, 3, is_moved=False, is_sparse=True)
    before = run.model.weights[0].copy()
    run.train(0.25, 1)
    changed = (run.model.weights[0] != before).any(axis=1)
    assert (changed <= X.any(axis=0)).all()
    assert changed.any()
