"""Arbitrary arguments of public functions: the call works, or a FastMLPError says what was expected."""

import contextlib
import dataclasses
import json
import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastmlp
from fastmlp.data import load_samples
from fastmlp.data.scaling import SCALES
from fastmlp.errors import FastMLPError

EXAMPLES = settings(
    max_examples=int(os.environ.get("FASTMLP_EXAMPLES", 30)),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)

NUMBERS = st.one_of(
    st.integers(), st.floats(), st.complex_numbers(), st.booleans(), st.decimals(allow_nan=False), st.fractions()
)
SCALARS = st.one_of(NUMBERS, st.none(), st.text(max_size=20), st.binary(max_size=20), st.dates(), st.just(object()))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
        st.sets(NUMBERS, max_size=3),
    ),
    max_leaves=8,
)
DTYPES = st.one_of(
    hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes(),
    hnp.complex_number_dtypes(), hnp.unicode_string_dtypes(max_len=3), hnp.byte_string_dtypes(max_len=3),
    hnp.datetime64_dtypes(), hnp.array_dtypes(),
)  # fmt: skip
ARRAYS = st.one_of(VALUES, hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)))
NAMINGS = st.one_of(st.none(), st.text(max_size=3), st.lists(SCALARS, max_size=4), VALUES)
TASKS = st.one_of(st.sampled_from(["classification", "multilabel", "regression"]), VALUES)
NAMES = [field.name for field in dataclasses.fields(fastmlp.Config)]


@contextlib.contextmanager
def works_or_reports():
    with warnings.catch_warnings(), contextlib.suppress(FastMLPError):
        warnings.simplefilter("ignore")
        yield


@EXAMPLES
@given(st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=20)), VALUES, max_size=6))
def test_config_takes_any_settings(given_settings):
    with works_or_reports():
        config = fastmlp.Config.from_dict(given_settings)
        assert fastmlp.Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@EXAMPLES
@given(VALUES)
def test_from_dict_takes_any_value(value):
    with works_or_reports():
        fastmlp.Config.from_dict(value)


@EXAMPLES
@given(
    ARRAYS, ARRAYS, ARRAYS, ARRAYS, st.one_of(st.sampled_from(SCALES), VALUES), NAMINGS, TASKS, ARRAYS, ARRAYS, ARRAYS,
)  # fmt: skip
def test_dataset_takes_any_arrays(X_train, y_train, X_test, y_test, scale, names, task, weights, X_val, y_val):
    with works_or_reports():
        fastmlp.Dataset(
            X_train, y_train, X_test, y_test, scale, names, task=task, weight_train=weights, X_val=X_val, y_val=y_val
        )  # fmt: skip


@EXAMPLES
@given(
    hnp.arrays(DTYPES, hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=5)),
    st.one_of(st.just([0, 1, 0, 1, 1]), ARRAYS),
    st.sampled_from(["auto", "none", "unit", "standard", "robust"]),
)
def test_an_accepted_dataset_can_be_trained_on(X, y, scale):
    with works_or_reports():
        y = y[: len(X)] if isinstance(y, list) else y
        dataset = fastmlp.Dataset(X, y, X, y, scale)
        if dataset.n_classes < 100:
            for precision in ("float32", "float64"):
                config = fastmlp.Config(hidden=(2,), n_epochs=1, batch_size=2, precision=precision)
                fastmlp.train(dataset, config).model.predict(X)


@EXAMPLES
@given(st.one_of(VALUES, st.tuples(ARRAYS, ARRAYS, ARRAYS, ARRAYS)), st.one_of(st.none(), st.text(max_size=9)), VALUES)
def test_load_data_takes_any_arguments(tmp_path_factory, thing, folder, target):
    with works_or_reports():
        fastmlp.load_data(thing, folder, target=target if isinstance(target, str) else None)


NO_NAMES = {"digits", "cifar10", "mnist", "fashion-mnist"}


@EXAMPLES
@given(
    st.one_of(
        st.text(),
        st.text(alphabet="./\\~\0 a*?[]\n%:", max_size=400),
        st.from_regex(r"[a-z~/.]+\.(csv|npz|npy|csv\.gz)"),
    )
)
@pytest.mark.parametrize("read", [fastmlp.load_data, fastmlp.load_model, fastmlp.load_study, load_samples])
def test_readers_take_any_path(read, path):
    if path not in NO_NAMES:
        with works_or_reports():
            read(path)


@EXAMPLES
@given(ARRAYS)
def test_a_model_takes_any_samples_and_weights(samples):
    model = fastmlp.init_model(fastmlp.Config(hidden=(2,)), 3, 2)
    with works_or_reports():
        assert not np.isnan(model.predict_proba(samples)).any()
    with works_or_reports():
        model.evaluate(np.zeros((2, 3)), samples)
    with works_or_reports():
        model.weights[0] = samples


@EXAMPLES
@given(VALUES, VALUES)
def test_a_study_takes_any_plan(vary, n_repeats):
    with works_or_reports():
        fastmlp.study.plan.make_plan(fastmlp.Config(), vary, n_repeats)
