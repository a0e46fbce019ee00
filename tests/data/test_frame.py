"""Data frames of pandas and polars with all types of columns, as arrays and in a `Dataset`."""

from decimal import Decimal

import numpy as np
import pytest

import fastmlp
from fastmlp import Config, Dataset
from fastmlp.data.check import check_X
from fastmlp.data.frame import frame_values
from fastmlp.errors import DataError, DataTypeError

pd = pytest.importorskip("pandas")

AGES, FARES, SEXES = [22, 35, 8, 61], [7.25, 71.5, 8.0, 13.0], [True, False, False, True]
VALUES = np.array([AGES, FARES, SEXES]).T
FRAME = pd.DataFrame({"age": AGES, "fare": FARES, "is_male": SEXES})


def polars_frame(columns):
    return pytest.importorskip("polars").DataFrame(columns)


def nullable(columns):
    return pd.DataFrame(columns).convert_dtypes()


def arrow(columns):
    pytest.importorskip("pyarrow")
    return pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow")


def objects(columns):
    return pd.DataFrame(columns, dtype=object)


@pytest.mark.parametrize("make", [pd.DataFrame, nullable, arrow, objects, polars_frame])
def test_columns_of_any_numbers_give_the_data_set_of_their_array(make):
    frame, labels = make({"age": AGES, "fare": FARES, "is_male": SEXES}), make({"y": [0, 1, 1, 0]})
    got, ref = Dataset(frame, labels, frame, labels), Dataset(VALUES, [0, 1, 1, 0], VALUES, [0, 1, 1, 0])
    assert got.checksum() == ref.checksum()
    weighted = Dataset(frame, frame, frame, frame, task="regression", weight_train=frame["age"])
    np.testing.assert_array_equal(weighted.y_train, VALUES)
    np.testing.assert_array_equal(weighted.weight_train, AGES)


@pytest.mark.parametrize("make", [pd.DataFrame, nullable, arrow, objects, polars_frame])
@pytest.mark.parametrize("cells", [[22, 35, None, 61], [0.5, None, 1.0, 2.0], [True, None, False, True]], ids=str)
def test_a_missing_cell_is_refused_by_the_name_of_its_column(make, cells):
    frame = make({"fare": FARES, "age": cells})
    with pytest.raises(DataError, match=rf"X_train: .* got nan at row {cells.index(None)}, column 'age' \(rows"):
        Dataset(frame, [0, 1, 1, 0], FRAME[["fare", "age"]], [0, 1, 1, 0])
    with pytest.raises(DataError, match=r"y_train: .* column 'age' \(rows"):
        Dataset(FRAME, frame, FRAME, frame, task="regression")
    labels = make({"young": [0, 1, 1, 0], "old": [True, None, False, True]})
    with pytest.raises(DataError, match=r"y_train: .* got nan at row 1, column 'old' \(rows"):
        Dataset(FRAME, labels, FRAME, labels, task="multilabel")
    with pytest.raises(DataError, match=r"weight_train: .* column 'age' \(rows"):
        Dataset(FRAME, [0, 1, 1, 0], FRAME, [0, 1, 1, 0], weight_train=frame["age"])
    with pytest.raises((DataError, DataTypeError), match=r"y_train: .*drop the samples without a label"):
        Dataset(FRAME, frame["age"], FRAME, [0, 1, 1, 0])


@pytest.mark.parametrize(
    "dtype", ["object", "string", "category", "datetime64[s]", "datetime64[ns, UTC]", "complex", "period[D]"]
)
def test_a_column_without_numbers_is_refused_by_its_name(dtype):
    column = pd.Series(["2020-01-01"] * 4 if dtype != "complex" else [1j] * 4).astype(dtype)
    with pytest.raises(DataTypeError, match=r"^X: expected real numbers, got .* in column 'born'; convert .*load_data"):
        check_X(FRAME.assign(born=column))


@pytest.mark.parametrize("cells", [[10**400] * 4, [Decimal("sNaN")] * 4], ids=["integer", "decimal"])
def test_objects_beyond_float64_are_refused_by_their_name(cells):
    with pytest.raises(DataTypeError, match=r"^X: expected real numbers, got object in column 'code'"):
        check_X(FRAME.assign(code=pd.Series(cells, dtype=object)))


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_texts_that_are_numbers_are_converted(dtype):
    column = pd.Series(["1", "2.5", "3", "4"]).astype(dtype)
    np.testing.assert_array_equal(check_X(FRAME.assign(code=column))[:, 3], [1, 2.5, 3, 4])


def test_polars_columns_without_numbers_are_refused_by_their_names():
    with pytest.raises(DataTypeError, match=r"^X: expected real numbers, got String in column 'sex'"):
        check_X(polars_frame({"age": AGES, "sex": ["f", "m", "m", "f"]}))
    with pytest.raises(DataTypeError, match=r"^X: expected real numbers, got Date in column 'born'"):
        check_X(polars_frame({"age": AGES, "born": np.array(["2020-01-01"] * 4, "datetime64[D]")}))
    with pytest.raises(DataTypeError, match=r"^X: expected real numbers, got Array.* in column 'place'"):
        check_X(polars_frame({"age": AGES, "place": np.eye(4)}))


def test_the_dtype_is_the_common_one_of_the_columns():
    pixels = pd.DataFrame(np.arange(6, dtype=np.uint8).reshape(2, 3), columns=["a", "b", "c"])
    assert np.shares_memory(frame_values(pixels, "X"), pixels.to_numpy())
    assert check_X(polars_frame({"a": np.zeros(2, np.uint8), "b": np.ones(2, np.uint8)})).dtype == np.uint8
    assert check_X(pixels.assign(is_new=[True, False])).dtype == np.float32  # not scaled as pixels
    assert check_X(pixels.astype("Float32")).dtype == np.float32
    assert check_X(pixels.astype("Int64")).dtype == np.float32


def test_other_columns_or_another_order_than_in_training_are_refused():
    y = [0, 1, 1, 0]
    with pytest.raises(DataError, match=r"X_test: .* got 'is_male', 'fare', 'age'; select them by X_test\[list"):
        Dataset(FRAME, y, FRAME[FRAME.columns[::-1]], y)
    with pytest.raises(DataError, match=r"X_val: .* got no column 'age'; add it"):
        Dataset(FRAME, y, FRAME, y, X_val=FRAME.drop(columns="age"), y_val=y)
    with pytest.raises(DataError, match=r"y_test: expected the columns of y_train in their order"):
        Dataset(FRAME, FRAME, FRAME, FRAME[FRAME.columns[::-1]], task="regression")
    assert Dataset(FRAME, FRAME[["age"]], FRAME, FRAME["fare"], task="regression").y_test.shape == (4, 1)
    for others in (VALUES, pd.DataFrame(VALUES)):  # without names
        assert Dataset(FRAME, y, others, y).n_features == 3


def test_a_model_predicts_a_frame(make_blobs):
    dataset = make_blobs(n_features=3)
    model = fastmlp.train(dataset, Config(n_epochs=1)).model
    for frame in (nullable(FRAME), polars_frame({"age": AGES, "fare": FARES, "is_male": SEXES})):
        np.testing.assert_array_equal(model.predict_proba(frame), model.predict_proba(VALUES))


def test_names_of_which_some_are_no_strings_are_refused():
    mixed = FRAME.rename(columns={"age": 0})
    with pytest.raises(
        DataTypeError, match=r"^X_train: expected names .* got 0, 'fare', 'is_male'; rename them, as by"
    ):
        Dataset(mixed, [0, 1, 1, 0], mixed, [0, 1, 1, 0])


def test_a_frame_without_columns_is_refused():
    with pytest.raises(DataError, match="at least one feature"):
        check_X(FRAME[[]])
