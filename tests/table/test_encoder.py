"""Tests of the encoding of rows as features."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from fastmlp.errors import DataError

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.compose import make_column_transformer  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.preprocessing import OneHotEncoder  # noqa: E402

from fastmlp.table.column import describe_columns  # noqa: E402
from fastmlp.table.encoder import TableEncoder, fit_schema  # noqa: E402
from fastmlp.table.frame import to_frame  # noqa: E402
from fastmlp.table.schema import TableSchema  # noqa: E402

TABLES = Path(os.environ.get("FASTMLP_TABLES", "missing"))


def mixed(n=400, seed=0):
    """A table of all kinds of columns, with missing cells."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2019-12-01 05:30", periods=n, freq="37h")
    return pd.DataFrame(
        {
            "name": [f"customer {place}" for place in range(n)],
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 9, n)),
            "rooms": rng.integers(0, 300, n),
            "colour": np.where(rng.random(n) < 0.2, None, rng.choice(["red", "green", "other 0"], n)),
            "town": [f"town {place}" for place in rng.geometric(0.3, n)],
            "when": np.where(rng.random(n) < 0.1, None, days.strftime("%d/%m/%Y %H:%M")),
            "truth": rng.random(n) < 0.5,
        }
    )


def schema_of(frame, train=None, columns=None, **options):
    columns = describe_columns(frame) if columns is None else columns
    made = fit_schema(
        frame if train is None else train,
        columns,
        target="the target",
        target_position=len(columns),
        **({"task": "regression"} | options),
    )
    return TableSchema.from_json(json.loads(json.dumps(made.to_json(), allow_nan=False)))


def column_of(schema, name):
    return next(column for column in schema.columns if column.name == name)


def test_features_are_those_of_scikit_learns_transformers_fitted_on_the_training_rows():
    frame = to_frame(mixed())
    train = frame.iloc[:300]
    schema = schema_of(frame, train)
    got = TableEncoder(schema).transform(frame)
    assert got.shape == (400, len(schema.feature_names))
    names = schema.feature_names
    one_hot = OneHotEncoder(min_frequency=2, handle_unknown="infrequent_if_exist", sparse_output=False)
    ref = make_column_transformer(
        (SimpleImputer(strategy="median", add_indicator=False), ["age", "rooms"]),
        (OneHotEncoder(sparse_output=False), ["colour"]),
        (one_hot, ["town"]),
    )
    ref.fit(train)
    places = [names.index("age"), names.index("rooms")]
    places += [place for place, name in enumerate(names) if name.startswith(("colour", "town"))]
    np.testing.assert_array_equal(got[:, places], ref.transform(frame))
    np.testing.assert_array_equal(got[:, names.index("age is missing")], frame["age"].isna())
    np.testing.assert_array_equal(got[:, names.index("truth")], frame["truth"])


def test_missing_cells_take_the_medians_of_the_training_rows():
    frame = to_frame(mixed())
    schema = schema_of(frame, frame.iloc[:300])
    row = frame.iloc[[0]].assign(age=np.nan, colour=None, town=None, when=None)
    got = dict(zip(schema.feature_names, TableEncoder(schema).transform(row)[0], strict=True))
    assert got["age"] == np.nanmedian(frame["age"][:300])
    assert (got["age is missing"], got["colour is missing"], got["town is another"]) == (1, 1, 1)
    days = pd.to_datetime(frame["when"][:300], format="%d/%m/%Y %H:%M").dropna()
    assert got["when, missing"] == 1
    assert got["when, hour"] == days.dt.hour.median()
    assert got["when, day"] == ((days - pd.Timestamp(0)).dt.days).median()


def test_levels_without_training_rows():
    frame = to_frame(mixed())
    encoder = TableEncoder(schema_of(frame, frame.iloc[:300]))
    row = frame.iloc[[0]].assign(colour="violet", town="nowhere")
    features, notes = encoder.encode(row)
    got = dict(zip(encoder.schema.feature_names, features[0], strict=True))
    assert got["town is another"] == 1
    assert not any(got[f"colour {rest}"] for rest in ("= red", "= green", "= other 0", "is missing"))
    assert notes == (
        "column 'colour': cells that are no level of the training rows have no feature: 1, the first 'violet'",
    )


@pytest.mark.parametrize("n_levels", [0, 1, 5])
def test_rare_levels_share_a_feature(n_levels):
    levels = [f"other {place}" for place in range(n_levels)]
    cells = [level for level in levels for _ in range(10)] + [f"rare {place}" for place in range(9)]
    frame = to_frame({"c": cells, "x": np.linspace(0, 1, len(cells))})
    schema = schema_of(frame)
    assert schema.columns[0].levels == tuple(levels)
    features = TableEncoder(schema).transform(frame)[:, 1:]
    assert (features.sum(axis=1) == 1).all()
    assert features[:, -1].sum() == 9


def test_the_most_frequent_levels_have_features():
    cells = [f"level {place:03}" for place in range(150) for _ in range(150 - place)]
    frame = to_frame({"c": cells})
    schema = schema_of(frame)
    assert schema.columns[0].levels == tuple(f"level {place:03}" for place in range(100))
    assert schema.columns[0].has_other


def test_cells_that_are_no_numbers_and_no_dates_are_missing_and_told():
    frame = to_frame(mixed())
    encoder = TableEncoder(schema_of(frame))
    row = to_frame({name: str(cell) for name, cell in frame.iloc[0].items()} | {"age": "old", "when": "soon"})
    features, notes = encoder.encode(row)
    missing = frame.iloc[[0]].assign(age=np.nan, when=None)
    np.testing.assert_array_equal(features, encoder.transform(missing))
    assert notes == (
        "column 'age': cells that are no numbers count as missing: 1, the first 'old'",
        "column 'when': cells that are no dates like %d/%m/%Y %H:%M count as missing: 1, the first 'soon'",
    )


def test_columns_of_which_no_cell_can_be_read_are_refused():
    frame = to_frame(mixed())
    encoder = TableEncoder(schema_of(frame))
    rows = to_frame(mixed()).iloc[:3].assign(age=["old", None, "young"], when=[None, "soon", "?"])
    rows["age"] = rows["age"].astype(object)
    with pytest.raises(DataError) as error:
        encoder.transform(rows)
    assert "'age': expected numbers, got none in 2 cells, the first 'old'" in str(error.value)
    assert "'when': expected dates like %d/%m/%Y %H:%M, got none in 2 cells, the first 'soon'" in str(error.value)
    assert len(encoder.encode(rows, is_training_table=True)[1]) == 2
    encoder.transform(frame.iloc[:3].assign(age=["old", None, "41"], when=None))


def test_a_file_and_a_frame_of_other_types_have_the_same_features():
    table = mixed()
    frame = to_frame(table)
    encoder = TableEncoder(schema_of(frame))
    ref = encoder.transform(frame)
    table["when"] = pd.to_datetime(table["when"], format="%d/%m/%Y %H:%M")
    table["colour"] = table["colour"].astype("category")
    table["rooms"] = table["rooms"].astype("Int16")
    table["truth"] = table["truth"].map({True: "true", False: "false"})
    np.testing.assert_array_equal(encoder.transform(to_frame(table)), ref)


def test_decimal_commas_beside_cells_that_are_no_numbers():
    numbers = np.round(np.random.default_rng(0).normal(size=40), 3)
    frame = to_frame({"x": [f"{value:.3f}".replace(".", ",") for value in numbers] + ["-", "broken"]})
    encoder = TableEncoder(schema_of(frame))
    np.testing.assert_array_equal(encoder.transform(frame)[:, 0], [*numbers, *[np.median(numbers)] * 2])
    np.testing.assert_array_equal(encoder.transform(to_frame({"x": numbers}))[:, 0], numbers)


def test_columns_of_given_kinds_are_encoded_as_such():
    frame = to_frame({"stars": [1.0, 2.0, 1.0, 2.0], "day": [20240130, 20240131, 20240201, 20240202], "id": ["7"] * 4})
    kinds = {"stars": "category", "day": "date:%Y%m%d", "id": "number"}
    schema = schema_of(frame, columns=describe_columns(frame, kinds=kinds))
    assert schema.feature_names[:4] == ("id", "stars = 1", "stars = 2", "day, day")
    got = TableEncoder(schema).transform(frame.astype({"stars": int, "day": str}).astype({"stars": str}))
    np.testing.assert_array_equal(
        got[:, :4] - [0, 0, 0, 19752], [[7, 1, 0, 0], [7, 0, 1, 1], [7, 1, 0, 2], [7, 0, 1, 3]]
    )


def test_no_rows_have_no_features():
    frame = to_frame(mixed())
    for part in (frame, frame[["rooms"]].astype(np.uint8)):
        encoder = TableEncoder(schema_of(part))
        features = encoder.transform(part)
        none, notes = encoder.encode(part.iloc[:0].assign(new=1))
        assert (none.shape, none.dtype) == ((0, features.shape[1]), features.dtype)
        assert notes == ("columns that the model does not know are ignored: 'new'",)


def test_columns_are_matched_by_name():
    frame = to_frame(mixed())
    encoder = TableEncoder(schema_of(frame))
    ref = encoder.transform(frame)
    other = frame[list(reversed(frame.columns))].drop(columns="name").assign(**{"the target": 1, "new": "a"})
    features, notes = encoder.encode(other)
    np.testing.assert_array_equal(features, ref)
    assert notes == ("columns that the model does not know are ignored: 'new'",)


def test_all_missing_columns_are_told_with_the_unknown_ones():
    frame = to_frame(mixed())
    encoder = TableEncoder(schema_of(frame))
    with pytest.raises(DataError, match=r"missing: 'age', 'town'; unknown: 'Age'; rename columns, or add"):
        encoder.transform(frame.rename(columns={"age": "Age"}).drop(columns="town"))


def test_columns_without_names_are_matched_by_position():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(30, 5))
    table[:, 1] = 7
    names = [f"column_{place}" for place in range(5)]
    frame = to_frame(table, names=names)
    columns = describe_columns(frame.drop(columns="column_0"))
    schema = fit_schema(frame, columns, target="column_0", target_position=0, task="regression", has_header=False)
    encoder = TableEncoder(schema)
    for kept in ([0, 1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4]):
        rows = to_frame(table[:, kept], names=names[: len(kept)])
        np.testing.assert_array_equal(encoder.transform(rows), table[:, 2:])
    np.testing.assert_array_equal(encoder.transform(frame[["column_4", "column_3", "column_2"]]), table[:, 2:])
    with pytest.raises(DataError, match=r"expected 4 columns without the target, or 5 with it, or the 3 .* got 2"):
        encoder.transform(to_frame(table[:, :2], names=names[:2]))


def test_numbers_without_missing_cells_are_their_own_features():
    values = np.random.default_rng(0).normal(size=(20, 3)) * 1e10
    frame = to_frame(values, names=list("abc"))
    np.testing.assert_array_equal(TableEncoder(schema_of(frame)).transform(frame), values)


def test_numbers_that_float32_cannot_tell_apart_are_left_out():
    random = np.random.default_rng(0)
    frame = to_frame(
        {
            "far": 2.0**60 + 2.0**8 * random.integers(0, 99, 40),
            "huge": 1e39 * random.random(40),
            "near": 2.0**15 + random.random(40),
            "outlier": [*random.random(39), 1e30],
        }
    )
    schema = schema_of(frame, frame.iloc[:30])
    assert schema.feature_names == ("near", "outlier")
    assert "too close together for float32; --kind far=number --precision float64 uses them" in schema.columns[0].note
    assert "beyond float32's range; --kind huge=number --precision float64" in schema.columns[1].note
    given = schema_of(frame, columns=describe_columns(frame, kinds={"far": "number", "huge": "number"}))
    assert len(given.feature_names) == 4
    with pytest.raises(DataError, match="'far': numbers up to"):
        schema_of(frame[["far"]])


def test_whole_numbers_of_a_byte_stay_bytes():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 6), dtype=np.uint8)
    frame = to_frame(pixels, names=list("abcdef"))
    schema = schema_of(frame, frame.iloc[:40], task="classification")
    assert schema.as_bytes
    encoder = TableEncoder(schema)
    got = encoder.transform(frame)
    np.testing.assert_array_equal(got, pixels)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(encoder.transform(frame[list("fedcba")]), pixels)
    wider = encoder.transform(frame.astype("float64").assign(a=np.nan, b=300.5))
    assert wider.dtype == np.float64
    np.testing.assert_array_equal(wider[0, :2], [schema.columns[0].fill, 300.5])


def test_columns_that_are_missing_in_all_training_rows():
    frame = to_frame({"x": [None] * 30 + [1.0] * 10, "c": [None] * 30 + ["a"] * 10, "z": np.linspace(0, 1, 40)})
    frame["d"] = [None] * 30 + ["2020-01-01", "2021-01-01"] * 5
    schema = schema_of(frame, frame.iloc[:30])
    features = TableEncoder(schema).transform(frame)
    assert np.isfinite(features).all()
    assert features.shape == (40, len(schema.feature_names))


def test_settings_of_scikit_learn_do_not_matter():
    sklearn = pytest.importorskip("sklearn")
    frame = to_frame(mixed())
    schema = schema_of(frame)
    ref = TableEncoder(schema).transform(frame)
    with sklearn.config_context(transform_output="pandas"):
        got = TableEncoder(schema_of(frame)).transform(frame)
    np.testing.assert_array_equal(got, ref)


@pytest.mark.skipif(not TABLES.is_dir(), reason="FASTMLP_TABLES names no folder of tables")
@pytest.mark.parametrize(
    ("name", "options", "target", "n_features"),
    [
        ("Telco-Customer-Churn.csv", {}, "Churn", 46),
        ("diamonds.csv", {}, "price", 26),
        ("SeoulBikeData_latin1.csv", {"encoding": "latin1"}, "Rented Bike Count", 22),
        ("mushrooms.csv", {}, "type", 116),
        ("breast-cancer-wisconsin-data.csv", {}, "Class", 10),
    ],
)
def test_real_tables(name, options, target, n_features):
    frame = to_frame(pd.read_csv(TABLES / name, keep_default_na=False, **options)).drop(columns=target)
    schema = schema_of(frame, frame.sample(frac=0.8, random_state=0))
    features = TableEncoder(schema).transform(frame)
    assert features.shape == (len(frame), n_features)
    assert np.isfinite(features).all()
