"""ARFF files: declarations as Weka accepts them, dense and sparse rows, and damage."""

import pytest

from fastmlp.errors import DataError, FileFormatError
from fastmlp.table.options import ReadOptions
from fastmlp.table.source import read_table

HEADER = """% a comment
@RELATION 'my pets'

@attribute\tweight  real   % no comment here
@Attribute 'fur colour' {black, 'light brown', "white"}
@attribute name string
@attribute born date "yyyy-MM-dd"
@ATTRIBUTE legs{2,4}
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text, **options):
        path = tmp_path / "x.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_table(path, ReadOptions(**options))

    return read_text


def test_types_and_quotes(read):
    table = read(
        HEADER + "@DATA\n4.1, black, 'Tom\\'s', 2020-01-02, 4\n% comment\n\n?,'light brown',\"two words\",?,2\n"
    )
    assert list(table.frame) == ["weight", "fur colour", "name", "born", "legs"]
    assert table.frame.iloc[0].tolist() == [4.1, "black", "Tom's", "2020-01-02", "4"]
    assert table.frame.iloc[1].tolist()[1:] == ["light brown", "two words", None, "2"]
    assert table.frame["weight"].isna().tolist() == [False, True]
    assert [table.line_of(row) for row in range(3)] == [10, 13, None]
    assert table.reading["format"] == "ARFF"


def test_sparse_rows_have_zeros_and_first_levels(read):
    frame = read(HEADER + "@data\n{0 1.5, 2 x}\n{}\n{1 white, 4 4}\n").frame
    assert frame["weight"].tolist() == [1.5, 0, 0]
    assert frame["fur colour"].tolist() == ["black", "black", "white"]
    assert frame["legs"].tolist() == ["2", "2", "4"]


def test_encodings_and_ends_of_lines(read):
    text = "@relation r\r@attribute größe numeric\r@data\r1\r2\r"
    assert read(text.encode("latin-1")).frame["größe"].tolist() == [1, 2]
    with pytest.raises(FileFormatError, match="expected rows of cells, got only a header"):
        read("@relation r\n@attribute a integer\n@data\n")


def test_numbers_that_are_none_stay_text(read):
    assert read("@relation r\n@attribute a numeric\n@data\n1_0\n2\n").frame["a"].tolist() == ["1_0", "2"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1,x", "1,x,2", r"line 5: expected 2 cells as declared by @attribute, got '1,x,2'"),
        ("1,x", "1", r"line 5: expected 2 cells"),
        ("1,x", "1,'x", r"line 5: expected 2 cells"),
        ("@data", "", r"line 4: expected @relation, @attribute, @data or a comment, got '2,y'|got '1,x'"),
        ("@attribute a numeric", "@attribute a", r"line 2: expected @attribute name type, got '@attribute a'"),
        ("@attribute a numeric\n@attribute b string\n", "", "expected lines with @attribute and one with @data"),
    ],
)
def test_damage_is_named_by_its_line(old, new, message, read):
    text = "@relation r\n@attribute a numeric\n@attribute b string\n@data\n1,x\n2,y\n"
    with pytest.raises(FileFormatError, match=message):
        read(text.replace(old, new))


def test_relations_are_refused(read):
    with pytest.raises(
        DataError, match="line 2: expected an attribute of numbers, levels, text or dates, got 'relational'"
    ):
        read("@relation r\n@attribute bag relational\n@data\n")


def test_a_declaration_that_takes_exponential_time_elsewhere(read):
    """liac-arff's pattern of levels does not end on this one."""
    levels = ", ".join(f"'a{k}'" for k in range(40))
    frame = read(f"@relation r\n@attribute a {{{levels}, 'b c\n@data\na1\n").frame
    assert frame["a"].tolist() == ["a1"]
