import pytest

from fastmlp.data.options import TableOptions
from fastmlp.errors import DataTypeError
from fastmlp.table.options import ReadOptions


def test_options_that_are_the_default_are_not_given():
    assert list(TableOptions().given()) == []
    assert list(TableOptions(target=0, read=ReadOptions(header=False)).given()) == ["target", "header"]


def test_lists_become_tuples_so_that_options_can_be_hashed():
    assert hash(TableOptions(drop=["a"])) == hash(TableOptions(drop=("a",)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 1.5}, "target: expected the name or the position of a column, got 1.5"),
        ({"target": True}, "target: expected the name or the position of a column, got True"),
        ({"split": 3}, "split: expected a string, got 3"),
        ({"drop": "a, b"}, r"drop: expected a list of names of columns, got 'a, b'; for example drop=\['a', 'b'\]"),
        ({"keep_as_id": [1]}, r"keep_as_id: expected a list of names of columns, got \[1\]"),
    ],
)
def test_a_value_of_another_type_is_refused(options, message):
    with pytest.raises(DataTypeError, match=message):
        TableOptions(**options)
