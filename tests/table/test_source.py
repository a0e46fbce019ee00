"""read_table chooses by content; the tables of the folder FASTMLP_TABLES are compared with what pandas reads."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from fastmlp.errors import DataNotFoundError, FileFormatError
from fastmlp.table.options import ReadOptions
from fastmlp.table.schema import MISSING_CELLS
from fastmlp.table.source import read_table

TABLES = Path(os.environ.get("FASTMLP_TABLES", "nowhere"))
CSV = {"keep_default_na": False, "na_values": list(MISSING_CELLS), "skipinitialspace": True}
#: How pandas must be told to read each file, and the shape that it has.
REAL = {
    "Concrete_Data.csv": ((1030, 9), {"sep": ";"}),
    "SeoulBikeData_latin1.csv": ((8760, 14), {"encoding": "latin-1"}),
    "Telco-Customer-Churn.csv": ((7043, 21), {}),
    "abalone_noheader.csv": ((4177, 9), {"header": None}),
    "airfoil_self_noise.dat": ((1503, 6), {"sep": "\t"}),
    "banknote.csv": ((1372, 5), {"header": None}),
    "breast-cancer-wisconsin-data.csv": ((699, 11), {}),
    "diamonds.csv": ((53940, 10), {}),
    "digits.csv.gz": ((1797, 65), {"header": None}),
    "flood_dataset.csv": ((314, 9), {}),
    "german.data": ((1000, 21), {"sep": " "}),
    "glass.csv": ((214, 10), {"header": None}),
    "insurance.csv": ((1338, 7), {}),
    "iris_noheader.csv": ((150, 5), {"header": None}),
    "mushrooms.csv": ((8124, 23), {}),
    "penguins.csv": ((344, 7), {}),
    "pima_noheader.csv": ((768, 9), {"header": None}),
    "processed.cleveland.data": ((303, 14), {}),
    "student-mat.csv": ((395, 28), {}),
    "winequality-red-semi.csv": ((1287, 12), {"sep": ";"}),
    "ENB2012_data.xlsx": ((768, 10), None),
    "credit-g.arff": ((1000, 21), None),
    "titanic.parquet": ((891, 7), None),
}


def by_pandas(name, options):
    path = TABLES / name
    if options is not None:
        return pd.read_csv(path, **CSV, **options)
    if name.endswith(".xlsx"):
        return pd.read_excel(path)
    if name.endswith(".parquet"):
        return pd.read_parquet(path)
    lines = path.read_text().split("@data")[1].splitlines()
    rows = "\n".join(line for line in lines if line.strip() and not line.startswith("%"))
    return pd.read_csv(io.StringIO(rows), header=None, quotechar="'", **CSV)


@pytest.mark.skipif(not TABLES.is_dir(), reason="FASTMLP_TABLES names no folder")
@pytest.mark.parametrize("name", REAL)
def test_a_real_table_is_what_pandas_reads_when_told_how(name):
    shape, options = REAL[name]
    table, expected = read_table(TABLES / name), by_pandas(name, options)
    assert table.frame.shape == shape == expected.shape
    if table.has_header and not name.endswith(".arff"):
        assert list(table.frame) == [column.strip() for column in expected]
    for (_, got), (_, other) in zip(table.frame.items(), expected.items(), strict=True):
        missing = other.isna().to_numpy()
        assert (got.isna().to_numpy() == missing).all()
        if pd.api.types.is_numeric_dtype(other.dtype):
            np.testing.assert_array_equal(got[~missing].to_numpy(float), other[~missing].to_numpy(float))
        else:
            assert got[~missing].map(str).tolist() == other[~missing].map(lambda cell: str(cell).strip()).tolist()


TEXT = b"a;b\n1,5;x\n2;y\n3;x\n"


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_suffixes_do_not_matter(compress, tmp_path):
    path = tmp_path / "table.GZ.png"
    path.write_bytes(compress(TEXT))
    assert read_table(path).frame["a"].tolist() == [1.5, 2.0, 3.0]


def test_zstd_and_streams_one_after_the_other(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(pa.compress(TEXT, "zstd", asbytes=True))
    assert read_table(path).reading["compression"] == "zstd"
    path.write_bytes(lzma.compress(TEXT[:9]) + bytes(4) + lzma.compress(TEXT[9:]))
    assert len(read_table(path).frame) == 3


def other_files():
    archive = io.BytesIO()
    np.savez(archive, a=np.arange(3))
    array = io.BytesIO()
    np.save(array, np.arange(3))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("a.csv", "a,b")
    return {
        "NumPy arrays$": archive.getvalue(),
        "a NumPy array$": array.getvalue(),
        "NumPy arrays; decompress it first": gzip.compress(archive.getvalue()),
        "a zip archive; unpack it first": zipped.getvalue(),
        "a pickle, which is never read": pickle.dumps([1]),
        "an idx file$": b"\0\0\x08\x01\0\0\0\x02ab",
        "a PNG image": b"\x89PNG\r\n",
        "save it as .xlsx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99),
        "an empty file": b"",
        "binary data": bytes(range(256)),
        "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\n",
    }


@pytest.mark.parametrize("found", other_files())
def test_what_is_no_table_is_named(found, tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(other_files()[found])
    with pytest.raises(FileFormatError, match=rf"x.csv: expected a table .*{found}"):
        read_table(path)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_damaged_compression_is_refused(compress, tmp_path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(compress(TEXT * 100)[:-9])
    with pytest.raises(FileFormatError, match="not an intact compressed file"):
        read_table(path)


def test_a_row_of_many_commas_and_a_bomb_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"," * (1 << 20)))
    with pytest.raises(FileFormatError, match=r"at most 100,000 cells .*, got a longer one"):
        read_table(path)
    path.write_bytes(gzip.compress((b"," * 60 + b"\n") * (1 << 19)))
    with pytest.raises(FileFormatError, match="expected at most 16,777,216 cells"):
        read_table(path)
    monkeypatch.setattr("fastmlp.io.bounded.MIN_DECOMPRESSION_BOUND", 1 << 20)
    path.write_bytes(gzip.compress(b"1,2\n" * (1 << 20)))
    with pytest.raises(FileFormatError, match="at most 1,048,576 decompressed bytes"):
        read_table(path)


def test_only_regular_files_are_opened(tmp_path):
    with pytest.raises(DataNotFoundError, match="expected a regular file"):
        read_table(os.devnull)
    with pytest.raises(DataNotFoundError, match="cannot be read"):
        read_table(tmp_path / "missing.csv")


def test_one_table_in_every_format_is_the_same(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 300], "b": [0.5, None, 2.5], "c": ["x", None, "z"], "d": [True, False, True]})
    frame.to_csv(tmp_path / "csv", index=False)
    frame.to_csv(tmp_path / "index")
    frame.to_parquet(tmp_path / "parquet")
    frame.to_excel(tmp_path / "x.xlsx", index=False)
    (tmp_path / "x.xlsx").rename(tmp_path / "xlsx")
    first = read_table(tmp_path / "csv").frame
    assert first.dtypes.astype(str).tolist() == ["int64", "float64", "object", "bool"]
    for name in ("index", "parquet", "xlsx"):
        frame = read_table(tmp_path / name).frame.drop(columns="unnamed_0", errors="ignore")
        pd.testing.assert_frame_equal(frame, first)
    assert read_table(tmp_path / "csv", ReadOptions(delimiter=",")).guessed == ("encoding", "decimal", "header")
