"""Parquet files: every type of column, and what is refused."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from fastmlp.errors import DataError, FileFormatError
from fastmlp.table import content as content_module
from fastmlp.table.source import read_table


@pytest.fixture
def read(tmp_path):
    def write_and_read(columns, **options):
        path = tmp_path / "x"
        pyarrow.parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
        return read_table(path).frame

    return write_and_read


DAY = datetime.datetime(2020, 1, 2, 3, 4)
TYPES = {
    "uint8": (pa.array([0, 255]), np.uint8, [0, 255]),
    "int64": (pa.array([-1, 300]), np.int64, [-1, 300]),
    "int8": (pa.array([-1, 3], pa.int8()), np.int64, [-1, 3]),
    "uint64": (pa.array([1, 2**64 - 1], pa.uint64()), np.float64, [1, 2.0**64]),
    "missing number": (pa.array([1, None]), np.float64, [1, None]),
    "float32": (pa.array([0.5, None], pa.float32()), np.float64, [0.5, None]),
    "float16": (pa.array(np.array([0.5, 1], np.float16)), np.float64, [0.5, 1]),
    "decimal": (pa.array([decimal.Decimal("1.25"), None]), np.float64, [1.25, None]),
    "boolean": (pa.array([True, False]), bool, [True, False]),
    "missing boolean": (pa.array([True, None]), object, ["true", None]),
    "text": (pa.array([" a ", "NA"]), object, ["a", None]),
    "large text": (pa.array(["a", "b"], pa.large_string()), object, ["a", "b"]),
    "numbers in text": (pa.array(["1", " "]), np.float64, [1, None]),
    "codes": (pa.array(["01", "1"]), object, ["01", "1"]),
    "category": (pa.array(["a", "b"]).dictionary_encode(), object, ["a", "b"]),
    "date": (pa.array([DAY.date(), None]), np.dtype("M8[s]"), [pd.Timestamp("2020-01-02"), None]),
    "timestamp": (pa.array([DAY, None], pa.timestamp("us", "UTC")), np.dtype("M8[us]"), [pd.Timestamp(DAY), None]),
    "time": (pa.array([DAY.time(), None]), object, ["03:04:00.000000", None]),
    "duration": (pa.array([1500, None], pa.duration("ms")), np.float64, [1.5, None]),
    "nothing": (pa.array([None, None]), np.float64, [None, None]),
}


@pytest.mark.parametrize("name", TYPES)
def test_types(name, read):
    column, dtype, expected = TYPES[name]
    values = read({"x": column, "y": [1, 2]})["x"]
    assert values.dtype == dtype
    assert [None if pd.isna(cell) else cell for cell in values.tolist()] == expected


def test_lists_and_bytes_are_left_out_by_name(tmp_path, read):
    assert list(read({"tags": [[1], [2]], "raw": [b"x", b"y"], "a": [1, 2]})) == ["a"]
    assert read_table(tmp_path / "x").reading["columns of other types left out"] == "'tags', 'raw'"
    with pytest.raises(DataError, match="got other types in all columns: 'tags'; write columns of their parts"):
        read({"tags": [[1], [2]]})


def test_an_index_of_pandas_is_no_column_unless_it_has_a_name(tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2]}, index=[7, 8])
    frame.to_parquet(tmp_path / "x")
    assert list(read_table(tmp_path / "x").frame) == ["a"]
    frame.rename_axis("key").to_parquet(tmp_path / "x")
    assert set(read_table(tmp_path / "x").frame) == {"a", "key"}


def test_a_small_file_with_many_cells_is_refused(read, monkeypatch):
    table = pa.table({str(k): np.zeros(1000, np.int64) for k in range(20)})
    assert read(table).shape == (1000, 20)
    monkeypatch.setattr("fastmlp.io.bounded.MIN_DECOMPRESSION_BOUND", 1 << 10)
    monkeypatch.setattr("fastmlp.io.bounded.MAX_DECOMPRESSION_RATIO", 2)
    with pytest.raises(FileFormatError, match="got 1,000 rows of 20"):
        read(table)
    monkeypatch.setattr(content_module, "MAX_COLUMNS", 9)
    with pytest.raises(FileFormatError, match="at most 9 columns, got 20"):
        read(table)


def test_a_long_string_that_is_repeated_takes_its_length_once(read):
    before = pa.total_allocated_bytes()
    column = pa.DictionaryArray.from_arrays(np.zeros(10_000, np.int32), ["x" * 100_000])
    frame = read({"a": column}, store_schema=False)
    assert len({id(cell) for cell in frame["a"]}) == 1
    assert pa.total_allocated_bytes() - before < 1 << 22


def test_damage_is_refused(tmp_path, read):
    read({"a": [1, 2]})
    path = tmp_path / "x"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FileFormatError, match="is not an intact Parquet file"):
        read_table(path)
