"""No layout of the arrays that a user gives compiles a kernel again, or changes a result.

Numba compiles a kernel for each combination of dtype, order, alignment and read-only flag of its arguments. A
compilation takes seconds.
"""

import warnings

import numpy as np
import pytest

import fastmlp
from fastmlp import Config, Dataset
from fastmlp.kernels.epoch import train_chunk
from fastmlp.kernels.predict import bits_differ, predict_chunk

N, D, K = 40, 6, 3
RNG = np.random.default_rng(0)
X, WEIGHTS = RNG.standard_normal((N, D)), RNG.uniform(0.5, 2, N)
TARGETS = {
    "classification": (RNG.permutation(N) % K, "cross_entropy"),
    "multilabel": (RNG.integers(0, 2, (N, K)), "binary_cross_entropy"),
    "regression": (RNG.standard_normal((N, K)), "squared_error"),
}


def every_other(array, axis):
    """A view with a stride of two rows or elements."""
    parts = [slice(None)] * array.ndim
    parts[axis] = slice(None, None, 2)
    return np.repeat(array, 2, axis=axis)[tuple(parts)]


def misaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
    got = memory.view(array.dtype).reshape(array.shape)
    got[...] = array
    return got


def read_only(array):
    got = array.copy()
    got.flags.writeable = False
    return got


def mapped(folder, array):
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def data_frame(array):
    pandas = pytest.importorskip("pandas")
    return pandas.Series(array) if array.ndim == 1 else pandas.DataFrame(array)


#: Ways to give an array (n,) or (n, n_columns).
LAYOUTS = {
    "C": lambda folder, array: array.copy(),
    "F": lambda folder, array: np.asfortranarray(array),
    "every other row": lambda folder, array: every_other(array, 0),
    "every other column": lambda folder, array: every_other(array, array.ndim - 1),
    "reversed rows": lambda folder, array: array[::-1].copy()[::-1],
    "reversed columns": lambda folder, array: array[..., ::-1].copy()[..., ::-1],
    "other byte order": lambda folder, array: array.astype(array.dtype.newbyteorder()),
    "misaligned": lambda folder, array: misaligned(array),
    "read-only": lambda folder, array: read_only(array),
    "read-only F": lambda folder, array: read_only(np.asfortranarray(array)),
    "mapped": lambda folder, array: mapped(folder, array),
    "mapped F": lambda folder, array: mapped(folder, np.asfortranarray(array)),
    "list": lambda folder, array: array.tolist(),
    "data frame": lambda folder, array: data_frame(array),
}


def signatures():
    return [*train_chunk.signatures, *predict_chunk.signatures, *bits_differ.signatures]


def train_native(task, give, n_columns=K):
    """Outputs, evaluation and history of a run on arrays that are given in some way."""
    y, loss = TARGETS[task]
    y = y if y.ndim == 1 else y[:, :n_columns]
    dataset = Dataset(
        give(X), give(y), give(X), give(y), task=task, weight_train=give(WEIGHTS), X_val=give(X), y_val=give(y)
    )
    run = fastmlp.train(dataset, Config(hidden=(4,), loss=loss, n_epochs=2, batch_size=16, precision="float64"))
    losses = run.history["train_loss"] + run.history["val_loss"] + run.history["test_loss"]
    return run.model.predict(give(X)), run.model.evaluate(give(X), give(y)), losses


def train_estimator(task, give, n_columns=K):
    """The same for an estimator."""
    pytest.importorskip("sklearn")
    y, _ = TARGETS[task]
    y = y if y.ndim == 1 else y[:, :n_columns]
    kind = fastmlp.MLPRegressor if task == "regression" else fastmlp.MLPClassifier
    estimator = kind(hidden_layer_sizes=(4,), max_iter=2, batch_size=16, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged, and that y is a column
        estimator.fit(give(X), give(y), sample_weight=give(WEIGHTS), X_val=give(X), y_val=give(y))
    return estimator.predict(give(X)), estimator.score(give(X), give(y)), estimator.loss_curve_


@pytest.fixture(scope="module")
def expected():
    """Results for arrays in C order, with the kernels compiled."""
    copied = np.array
    return {(train, task): train(task, copied) for train in (train_native, train_estimator) for task in TARGETS}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("train", [train_native, train_estimator])
def test_a_layout_compiles_nothing_and_changes_no_bit(train, task, layout, expected, tmp_path):
    if (train, task, layout) == (train_estimator, "multilabel", "other byte order"):
        pytest.skip("scikit-learn refuses such labels")
    before = signatures()
    predicted, score, losses = train(task, lambda array: LAYOUTS[layout](tmp_path, array))
    assert signatures() == before
    ref_predicted, ref_score, ref_losses = expected[train, task]
    np.testing.assert_array_equal(predicted, ref_predicted)
    assert losses == ref_losses
    if train is train_native:
        assert score == ref_score
    else:  # scikit-learn's R2 adds up in the order of the memory
        assert score == pytest.approx(ref_score, rel=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("train", [train_native, train_estimator])
def test_a_single_column_of_targets_compiles_nothing(train, layout, expected, tmp_path):
    before = signatures()
    train("regression", lambda array: LAYOUTS[layout](tmp_path, array), n_columns=1)
    assert signatures() == before


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int64", ">f4", "float16", "bool", "longdouble"])
def test_no_dtype_of_the_samples_compiles_a_kernel(dtype, expected):
    before = signatures()
    train_native("regression", lambda array: abs(array).astype(dtype) if array is X else array)
    assert signatures() == before
