"""The values that ReadOptions accepts."""

import pytest

from fastmlp.errors import DataError
from fastmlp.table.options import DELIMITERS, ReadOptions


@pytest.mark.parametrize(("name", "delimiter"), [*DELIMITERS.items(), ("TAB", "\t"), ("\\t", "\t"), (";", ";")])
def test_delimiters_have_names(name, delimiter):
    assert ReadOptions(delimiter=name).delimiter == delimiter


@pytest.mark.parametrize("encoding", ["utf8", "latin-1", "cp1252", "UTF-16", "iso-8859-15"])
def test_encodings_that_python_knows(encoding):
    assert ReadOptions(encoding=encoding).encoding == encoding


def test_everything_wrong_is_told_at_once():
    with pytest.raises(DataError) as caught:
        ReadOptions(header="yes", delimiter="::", decimal="p", encoding="rot13", sheet=1)
    assert [part.split(":")[0] for part in str(caught.value).split("; ")] == [
        "header", "delimiter", "decimal", "encoding", "sheet",
    ]  # fmt: skip
    with pytest.raises(DataError, match="got ',' for both"):
        ReadOptions(delimiter="comma", decimal=",")
    for encoding in ("utf-99", "x\0", "base64", 8):
        with pytest.raises(DataError, match="encoding"):
            ReadOptions(encoding=encoding)
