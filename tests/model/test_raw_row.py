import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.data.dataset import Dataset
from fastmlp.errors import DataError, DataTypeError
from fastmlp.model.model import init_model
from fastmlp.model.raw_row import RawRows
from fastmlp.table.schema import Column, TableSchema

pd = pytest.importorskip("pandas", reason="pandas is not installed")
pytest.importorskip("pyarrow", reason="PyArrow is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from fastmlp.table.encoder import TableEncoder, fit_schema  # noqa: E402
from fastmlp.table.frame import to_frame  # noqa: E402

COLUMNS = (
    Column(name="age", kind="number"),
    Column(name="key", kind="id"),
    Column(name="sex", kind="category"),
    Column(name="city", kind="category"),
    Column(name="since", kind="date", date_format="ISO8601"),
    Column(name="is new", kind="number"),
)
RNG = np.random.default_rng(0)
N = 60


def make_rows():
    """Raw rows with missing cells; a level that occurs once; dates before 1970."""
    sex = np.array(["f", "m", None], object)[RNG.integers(0, 3, N)]
    city = np.array(["Bern", "Köln", "Rom"], object)[RNG.integers(0, 3, N)]
    city[0] = "Ulm"
    since = np.datetime64("1960-02-28") + RNG.integers(0, 20_000, N).astype("timedelta64[D]")
    since[3] = "NaT"
    age = np.where(RNG.random(N) < 0.2, np.nan, RNG.integers(18, 90, N))
    columns = {"age": age, "key": [f"k{i}" for i in range(N)], "sex": sex, "city": city, "since": since}
    return pd.DataFrame(columns | {"is new": RNG.random(N) < 0.5})


ROWS = make_rows()
CODES = np.arange(N) % 3


def train_on(rows, labels, columns=COLUMNS, task="classification", loss="cross_entropy"):
    """A network trained on the encoded rows, its schema, and the features."""
    schema = fit_schema(to_frame(rows), columns, target="y", target_position=len(columns), task=task)
    X = TableEncoder(schema).transform(to_frame(rows))
    data = Dataset(X, labels, X[:9], labels[:9], task=task, table=schema)
    return fastmlp.train(data, Config(hidden=(6,), n_epochs=2, batch_size=8, loss=loss)).model, X


@pytest.fixture(scope="module")
def trained():
    return train_on(ROWS, np.array(["low", "mid", "top"])[CODES])


@pytest.fixture(scope="module")
def on_numbers():
    """A network whose features are the numbers of the columns."""
    rows = {"a": np.linspace(-1, 1, N), "b": np.arange(float(N))}
    columns = tuple(Column(name=name, kind="number") for name in rows)
    return train_on(rows, CODES, columns)[0]


def shapes_of_rows():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    yield "pandas", ROWS
    yield "polars", polars.from_pandas(ROWS)
    yield "columns in another order, and one that is not needed", ROWS[sorted(ROWS)].drop(columns="key")
    yield "dict", {name: ROWS[name].to_list() for name in ROWS}
    yield "list of dicts", ROWS.to_dict("records")
    yield "array of all columns", ROWS.to_numpy()
    yield "array of the inputs", ROWS.drop(columns="key").to_numpy()
    yield "lists", ROWS.astype(object).where(ROWS.notna(), None).values.tolist()


# raw rows


def test_raw_rows_in_every_form_predict_what_their_features_predict(trained):
    model, X = trained
    ref = model.predict_proba(X)
    for form, rows in shapes_of_rows():
        np.testing.assert_array_equal(model.predict_proba(rows), ref, err_msg=form)
        np.testing.assert_array_equal(model.predict(rows), model.predict(X), err_msg=form)


def test_text_as_a_file_holds_it_predicts_the_same(trained):
    model, X = trained
    texts = ROWS.astype({"is new": str, "since": str}).fillna({"sex": "?"}).replace({"since": {"NaT": ""}})
    texts["age"] = [f" {age}" for age in texts["age"]]
    np.testing.assert_array_equal(model.predict_proba(texts), model.predict_proba(X))


@pytest.mark.parametrize("dtype", [int, bool, str, float])
def test_labels_are_predicted_and_compared_as_their_own_type(dtype):
    labels = np.array([2, 4, 4])[CODES] if dtype is not bool else CODES > 0
    model, X = train_on(ROWS, labels.astype(dtype))
    assert model.predict(ROWS).dtype == model.classes.dtype
    y = pd.Series(labels.astype(dtype), index=np.arange(N)[::-1])
    assert model.evaluate(ROWS, y) == model.evaluate(X, labels.astype(dtype))
    assert model.objective(ROWS, y) == model.objective(X, labels.astype(dtype))
    with pytest.raises((DataError, DataTypeError), match=r"^y: "):
        model.evaluate(ROWS, pd.Series(labels.astype(int if dtype is str else str)))


def test_regression_predicts_values_of_raw_rows():
    y = RNG.standard_normal(N)
    model, X = train_on(ROWS, y, task="regression", loss="squared_error")
    np.testing.assert_array_equal(model.predict(ROWS), model.predict(X))
    assert model.evaluate(ROWS, pd.Series(y)) == model.evaluate(X, y)


def test_all_missing_columns_are_named(trained):
    with pytest.raises(DataError, match=r"missing: 'city', 'is new'"):
        trained[0].predict(ROWS.drop(columns=["city", "is new"]))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "evaluate", "objective"])
def test_what_the_encoder_does_not_know_is_told_by_one_warning_at_the_callers_line(method, trained):
    model, X = trained
    rows = ROWS.assign(age=["x", *ROWS["age"][1:]], sex=["d", *ROWS["sex"][1:]], more=1)
    y = model.predict(X)
    with pytest.warns(UserWarning, match=r"^X: ") as caught:
        getattr(model, method)(rows, *([y] if method in ("evaluate", "objective") else []))
    (warning,) = caught
    assert warning.filename == __file__
    for word in ("'age'", "'x'", "'sex'", "'d'", "'more'"):
        assert word in str(warning.message)


def test_the_encoder_is_made_once_and_is_in_no_copy(trained):
    model = trained[0].copy()
    model.predict(ROWS)
    encoder = model._raw_rows._encoder
    model.predict(ROWS[:1])
    assert model._raw_rows._encoder is encoder is not None
    for copied in (model.copy(), pickle.loads(pickle.dumps(model))):
        assert copied._raw_rows._encoder is None
        np.testing.assert_array_equal(copied.predict(ROWS), model.predict(ROWS))


def test_another_number_of_columns_is_refused(trained):
    with pytest.raises(DataError, match=r"expected an array of 5 or 6 or \d+ columns, got shape \(2, 3\); .* age, sex"):
        trained[0].predict(np.zeros((2, 3)))
    with pytest.raises(DataError, match="at least one sample"):
        trained[0].predict(ROWS[:0])
    with pytest.raises(DataError, match=r"expected shape \(n_samples, n_features\), got \(5,\)"):
        trained[0].predict(np.zeros(5))


# arrays of features


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_an_array_of_numbers_is_filled_as_a_frame_is(dtype, on_numbers):
    a, b = np.array([[-2, 0, 2, 1], [0, 30, 200, 59]]).astype(dtype)
    X, frame = np.stack([a, b], axis=1), pd.DataFrame({"b": b, "a": a})
    np.testing.assert_array_equal(on_numbers.predict_proba(X), on_numbers.predict_proba(frame))
    if dtype.startswith("float"):
        X[0, 0] = frame.loc[0, "a"] = np.nan
        np.testing.assert_array_equal(on_numbers.predict_proba(X), on_numbers.predict_proba(frame))


def test_features_of_bytes_are_not_copied():
    rows = pd.DataFrame(RNG.integers(0, 256, (N, 4), np.uint8), columns=list("abcd"))
    model, X = train_on(rows, CODES, tuple(Column(name=name, kind="number") for name in rows))
    assert model.table.as_bytes
    assert np.shares_memory(model._raw_rows.features(X), X)
    for same in (rows, rows.astype(float), X.astype(np.float32)):
        np.testing.assert_array_equal(model.predict_proba(same), model.predict_proba(X))


def test_features_that_are_not_finite_are_refused(trained):
    model, X = trained
    with pytest.raises(DataError, match="X: expected finite numbers, got nan at row 0"):
        model.predict(np.full_like(X, np.nan))


def test_a_frame_is_features_by_position_without_a_schema():
    model = init_model(Config(hidden=(3,)), 2, 2)
    X = RNG.standard_normal((5, 2))
    np.testing.assert_array_equal(model.predict_proba(pd.DataFrame(X, columns=["b", "a"])), model.predict_proba(X))


def test_arrays_are_predicted_without_pandas(trained, on_numbers, tmp_path):
    for name, model in {"mixed": trained[0], "numbers": on_numbers}.items():
        model.save(tmp_path / f"{name}.npz")
    program = f"""
import sys, numpy as np, fastmlp
for name in ("mixed", "numbers"):
    model = fastmlp.load_model({str(tmp_path)!r} + f"/{{name}}.npz")
    X = np.ones((3, model.n_features))
    model.evaluate(X, model.predict(X))
    model.predict(X.tolist())
print(sorted({{"pandas", "polars", "pyarrow", "sklearn"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_known_rows_cause_no_warning(trained):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trained[0].predict(ROWS)
    assert caught == []


def test_an_array_that_may_hold_raw_rows_or_features_is_taken_for_features_with_a_warning():
    number = Column(name="b", kind="number", fill=1.0, has_indicator=True)
    columns = Column(name="tag", kind="id"), Column(name="a", kind="number"), number
    rows = RawRows(TableSchema(columns=columns, target="y", target_position=3, task="regression"))
    features = np.array([[1.0, 2.0, 0.0]])
    with pytest.warns(UserWarning, match="X: an array of 3 columns is taken for features, .* not for raw rows"):
        assert rows.features(features) is features


@pytest.mark.parametrize(
    ("levels", "is_ambiguous"),
    [(("-1", "1"), True), (("0.5", "1e-05"), True), (("1", "2"), True), (("-", "1"), False), (("1-2", "3"), False)],
)
def test_an_array_may_hold_raw_rows_if_all_levels_are_numbers(levels, is_ambiguous):
    columns = Column(name="tag", kind="id"), Column(name="a", kind="category", levels=levels)
    rows = RawRows(TableSchema(columns=columns, target="y", target_position=2, task="regression"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows.features(np.array([[1.0, 0.0]]))
    assert bool(caught) == is_ambiguous
