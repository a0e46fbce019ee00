import json

import numpy as np
import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.export.onnx_table import MISSING_DATE, calendar_parts
from fastmlp.model.model import init_model
from fastmlp.table.schema import Column, TableSchema

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")
pytest.importorskip("pyarrow", reason="PyArrow is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

DATE_PARTS = "day", "year", "month", "day of month", "weekday", "hour", "minute"
COLUMNS = (
    Column(name="plain", kind="number", fill=1.5),
    Column(name="label", kind="number", fill=40.0, has_indicator=True),
    Column(name="key", kind="id"),
    Column(name="none known", kind="category", levels=("a", "b")),
    Column(name="all known", kind="category", levels=("1", "true", "é"), has_missing=True, has_other=True),
    Column(name="other", kind="category", levels=("x",), has_other=True),
    Column(name="Cast_0", kind="category", levels=("1.5", "b"), has_missing=True),
    Column(name="note", kind="left out"),
    Column(
        name="date",
        kind="date",
        date_format="ISO8601",
        parts=DATE_PARTS,
        fills=(-7.0, 1999.0, 6.5, 15.0, 2.5, 12.0, 30.0),
    ),
    Column(name="second date", kind="date", date_format="%d.%m.%Y", parts=("weekday", "year"), fills=(3.0, 1981.0)),
)
DATES = (
    "2000-02-29T13:45:59", "1900-02-28T00:00:00", "1900-03-01T23:59:59", "1969-12-31T23:59:59", "1970-01-01T00:00:00",
    "2100-02-28T12:00:00", "2100-03-01T12:00:00", "1601-01-01T00:00:01", "2024-12-31T23:59:00", "NaT",
)  # fmt: skip


def schema_of(columns=COLUMNS, **changes):
    return TableSchema(columns=columns, target="y", target_position=0, task="classification", **changes)


def rows_of(schema, n=40):
    """Raw rows: missing cells, infinite ones, unknown levels."""
    rng = np.random.default_rng(0)

    def draw(*cells):
        return [cells[i % len(cells)] for i in rng.permutation(n)]

    cells = {
        "number": lambda: np.array(draw(-3.0, 0.25, 7.0, 1e6, np.nan, np.inf)),
        "category": lambda: draw("a", "1", "é", "x", "1.5", "true", "b", None, "never seen"),
        "date": lambda: np.array(draw(*DATES), "datetime64[s]"),
        "id": lambda: draw("k1", "k2"),
        "left out": lambda: draw("some text"),
    }
    return pd.DataFrame({column.name: cells[column.kind]() for column in schema.columns})


def inputs_of(schema, rows, dtype):
    """What the graph takes for raw rows."""
    convert = {
        "number": lambda cells: cells.to_numpy(dtype),
        "category": lambda cells: cells.fillna("").to_numpy(object),
        "date": lambda cells: cells.to_numpy("datetime64[s]").astype(np.int64),
    }
    return {column.name: convert[column.kind](rows[column.name])[:, None] for column in schema.inputs}


def network_of(schema, n_classes=3, **settings):
    """A network whose pre-activations are near 1 in size."""
    n_features, rng = len(schema.feature_names), np.random.default_rng(1)
    model = init_model(Config(hidden=(6,), activation="tanh", **settings), n_features, n_classes)
    model.biases = [rng.standard_normal(b.shape) for b in model.biases]
    model.scaling = rng.uniform(0.5, 2, n_features) / 3000, rng.standard_normal(n_features)
    model.table = schema
    return model


@pytest.fixture
def run(tmp_path):
    def run_onnx(model, inputs, **options):
        model.to_onnx(tmp_path / "model.onnx", **options)
        onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"), full_check=True)
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True)), session

    return run_onnx


# raw rows


@pytest.mark.filterwarnings("ignore:X. column")
@pytest.mark.parametrize("input_type", ["float32", "float64"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_graph_predicts_of_raw_rows_what_the_model_predicts(precision, input_type, run, networks):
    schema = schema_of()
    model, rows = network_of(schema, precision=precision), rows_of(schema)
    model.classes = ["high", "low", "mid"]
    inputs = inputs_of(schema, rows, input_type)
    inputs["label (column)"] = inputs.pop("label")
    got, _ = run(model, inputs, input_type=input_type)
    np.testing.assert_allclose(got["probabilities"], model.predict_proba(rows), **networks.tolerance(precision))
    np.testing.assert_array_equal(got["label"], model.predict(rows))
    assert len(np.unique(got["probabilities"], axis=0)) > 30


@pytest.mark.filterwarnings("ignore:X. column")
@pytest.mark.parametrize("kind", ["number", "category", "date"])
def test_a_table_of_one_kind_of_columns_is_encoded(kind, run, networks):
    schema = schema_of(tuple(column for column in COLUMNS if column.kind == kind and column.name != "label"))
    model, rows = network_of(schema, n_classes=2), rows_of(schema)
    got, _ = run(model, inputs_of(schema, rows, "float32"))
    np.testing.assert_allclose(got["probabilities"], model.predict_proba(rows), **networks.tolerance("float32"))


@pytest.mark.parametrize("classes", [[2, 4], [False, True], ["no", "yes"], [-1.0, 1.0]], ids=str)
def test_labels_are_of_their_own_type(classes, run):
    schema = schema_of(COLUMNS[:1])
    model, rows = network_of(schema, n_classes=2), rows_of(schema)
    model.classes = classes
    got, _ = run(model, inputs_of(schema, rows, "float32"))
    ref = model.predict(rows.replace(np.inf, np.nan))
    np.testing.assert_array_equal(got["label"], ref)
    assert got["label"].dtype == (object if ref.dtype.kind == "U" else ref.dtype)


@pytest.mark.filterwarnings("ignore:X. column")
@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
def test_values_and_binary_outputs_are_those_of_raw_rows(loss, run, networks):
    schema = TableSchema(
        columns=COLUMNS[:1] + COLUMNS[3:5], target="y", target_position=0,
        task="regression" if loss == "squared_error" else "classification",
    )  # fmt: skip
    model, rows = network_of(schema, n_classes=1, loss=loss), rows_of(schema)
    got, _ = run(model, inputs_of(schema, rows, "float32"))
    ref = model.predict(rows)[:, None] if loss == "squared_error" else model.predict_proba(rows)
    main = "values" if loss == "squared_error" else "probabilities"
    np.testing.assert_allclose(got[main], ref, **networks.tolerance("float32"))


@pytest.mark.filterwarnings("ignore:X. column")
def test_booleans_and_whole_floats_as_texts_are_the_levels_of_the_schema(run):
    """As ``frame[name].astype(str)`` writes them, where levels are true, false and whole numbers."""
    column = Column(name="level", kind="category", levels=("-3", "0", "007", "false", "true"))
    model = network_of(schema_of((column,)))
    cells = ["True", "False", "TRUE", "0.0", "-3.0", "007", "007.0", "NA", "?", "1"]
    got, _ = run(model, {"level": np.array(cells, object)[:, None]})
    np.testing.assert_allclose(got["probabilities"], model.predict_proba({"level": cells}), rtol=1e-6)


def test_a_table_of_bytes_has_one_input(run, networks):
    columns = tuple(Column(name=f"pixel{i}", kind="number", fill=7.0) for i in range(12))
    model = network_of(schema_of(columns, as_bytes=True))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 12), np.uint8)
    for input_type in ("uint8", "float32"):
        X = pixels.astype(input_type)
        if input_type == "float32":
            X[0, 0] = np.nan
        got, session = run(model, {"X": X}, input_type=input_type)
        np.testing.assert_allclose(got["probabilities"], model.predict_proba(X), **networks.tolerance("float32"))
        assert [entry.shape for entry in session.get_inputs()] == [["n_samples", 12]]


def test_inputs_are_the_columns_that_become_features_and_the_metadata_has_the_schema(run):
    schema = schema_of()
    inputs = inputs_of(schema, rows_of(schema), "float32")
    inputs["label (column)"] = inputs.pop("label")
    _, session = run(network_of(schema), inputs)
    names = [column.name for column in schema.inputs]
    expected = [name if name != "label" else "label (column)" for name in names]
    assert [entry.name for entry in session.get_inputs()] == expected
    assert [entry.type for entry in session.get_inputs()] == (
        ["tensor(float)"] * 2 + ["tensor(string)"] * 4 + ["tensor(int64)"] * 2
    )
    metadata = session.get_modelmeta().custom_metadata_map
    assert TableSchema.from_json(json.loads(metadata["table"])) == schema
    assert json.loads(metadata["inputs"]) == dict(zip(names, expected, strict=True))


def test_a_trained_model_gives_the_same_from_a_frame_and_the_graph(run, networks):
    from fastmlp.table.encoder import TableEncoder, fit_schema
    from fastmlp.table.frame import to_frame

    rows = rows_of(schema_of()).rename(columns={"label": "age"}).replace(np.inf, np.nan)
    bare = tuple(
        Column(name=rows.columns[i], kind=column.kind, date_format=column.date_format)
        for i, column in enumerate(COLUMNS)
    )
    schema = fit_schema(to_frame(rows), bare, target="y", target_position=0, task="classification")
    X, y = TableEncoder(schema).transform(to_frame(rows)), np.where(rows["plain"] > 1, 7, 3)
    data = fastmlp.Dataset(X, y, X, y, table=schema)
    model = fastmlp.train(data, Config(hidden=(5,), n_epochs=3, batch_size=8)).model
    got, _ = run(model, inputs_of(schema, rows, "float32"))
    np.testing.assert_allclose(got["probabilities"], model.predict_proba(rows), rtol=1e-5)
    np.testing.assert_array_equal(got["label"], model.predict(rows), strict=True)


# dates


def test_parts_of_dates_are_those_of_the_calendar():
    """Every 17 hours of 800 years, and all turns of years and months among them."""
    days = np.arange("1600-01-01", "2400-01-01", dtype="datetime64[D]")
    seconds = np.concatenate(
        [np.arange(-11_676_096_000, 13_569_465_600, 17 * 3600 + 61), days.astype(np.int64) * 86400]
    )
    dates = pd.DatetimeIndex(seconds.astype("datetime64[s]"))
    got = calendar_parts(seconds)
    assert tuple(got) == DATE_PARTS
    attributes = {"day of month": "day", "weekday": "day_of_week"}
    for part in DATE_PARTS[1:]:
        np.testing.assert_array_equal(got[part], getattr(dates, attributes.get(part, part)), err_msg=part)
    np.testing.assert_array_equal(got["day"], seconds.astype("datetime64[s]").astype("datetime64[D]").astype(np.int64))


def test_a_missing_date_is_numpys():
    assert np.array(["NaT"], "datetime64[s]").astype(np.int64) == [MISSING_DATE]
