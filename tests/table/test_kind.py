"""Tests of the options by which users choose what becomes of columns."""

import numpy as np
import pytest

from fastmlp.errors import DataError

pd = pytest.importorskip("pandas")

from fastmlp.table.frame import to_frame  # noqa: E402
from fastmlp.table.kind import check_choices, column_of_kind  # noqa: E402

HEADERLESS = ["column_0", "column_2"]


def column(cells, kind):
    return column_of_kind(to_frame({"x": cells})["x"], kind)


def test_columns_without_names_are_given_by_position_too():
    chosen = check_choices(HEADERLESS, ["0"], (), {"2": "category"}, has_header=False)
    assert chosen == (frozenset(["column_0"]), frozenset(), {"column_2": "category"})
    assert check_choices(HEADERLESS, (), ["column_2"], {}, has_header=False).keep_as_id == {"column_2"}


@pytest.mark.parametrize(
    ("names", "has_header", "words"),
    [
        (HEADERLESS, False, "'column_1'.*; the table has no header, so names are column_0, .*: --header"),
        (["age", "sex"], True, "'1'; .*; columns go by their names; if the first row of a text .*: --no-header"),
    ],
)
def test_a_name_for_a_table_with_or_without_a_header_has_a_hint(names, has_header, words):
    with pytest.raises(DataError, match=words):
        check_choices(names, ["1"], (), {}, has_header)


@pytest.mark.parametrize(
    ("drop", "kinds", "advice"),
    [
        (["age,fare"], {}, "--drop age fare"),
        (["age, sex at birth"], {}, "--drop age 'sex at birth'"),
        (["age fare"], {}, "--drop age fare"),
        ((), {"age=number,fare": "category"}, "--kind age=number fare=category"),
        (["age,height"], {}, None),
    ],
)
def test_several_names_in_one_argument_are_to_be_separated(drop, kinds, advice):
    with pytest.raises(DataError, match="unknown column") as caught:
        check_choices(["age", "fare", "sex at birth"], drop, (), kinds)
    assert str(caught.value).partition("; separate several by spaces: ")[2] == (advice or "")


def test_all_faults_are_told():
    with pytest.raises(DataError) as caught:
        check_choices(["age", "sex"], ["age", "Sex"], ["age", "foo"], {"age": "text", "sex": "date:"})
    assert str(caught.value) == (
        "--drop: unknown column 'Sex'; did you mean 'sex'?; "
        "--keep-as-id: unknown column 'foo'; the columns are 'age', 'sex'; "
        "--drop, --keep-as-id, --kind: expected different columns, got 'age' in all of them; "
        "--kind: expected number, category, date or date:FORMAT such as date:%d/%m/%Y for 'age', got 'text'; "
        "--kind: expected number, category, date or date:FORMAT such as date:%d/%m/%Y for 'sex', got 'date:'"
    )
    with pytest.raises(DataError, match="--kind, --kind: expected different columns, got 'column_0'"):
        check_choices(HEADERLESS, (), (), {"0": "number", "column_0": "date"}, has_header=False)


@pytest.mark.parametrize(
    ("cells", "kind", "date_format", "note"),
    [
        ([1, 1, 1], "number", "", ""),
        (["1,5", "2,5", "1,5", "-"], "number", "", ""),
        (["1", "a", "b"], "number", "", "cells that are no numbers count as missing: 2, the first 'a'"),
        ([1.0, np.inf], "number", "", "cells that are no numbers count as missing: 1, the first inf"),
        ([1.5, 2.5], "category", "", ""),
        ([None, None], "category", "", ""),
        (["02/03/2020", "x"], "date:%d/%m/%Y", "%d/%m/%Y", "no dates like %d/%m/%Y count as missing: 1, the first 'x'"),
        ([20240131, 20240201], "date:%Y%m%d", "%Y%m%d", ""),
        (["2024-01-31"], "date", "ISO8601", ""),
        (["2024-01-31"] * 9 + ["x"], "date", "ISO8601", "no dates like ISO8601 count as missing: 1, the first 'x'"),
        (pd.to_datetime(["2024-01-31"]), "date", "ISO8601", ""),
    ],
)
def test_columns_of_a_given_kind(cells, kind, date_format, note):
    made = column(cells, kind)
    assert (made.kind, made.date_format, made.is_given) == (kind.partition(":")[0], date_format, True)
    assert note in made.note
    assert bool(note) == bool(made.note)


@pytest.mark.parametrize(
    ("cells", "kind", "words"),
    [
        (["a", "b"], "number", "--kind x=number: expected numbers, got none, but 'a'"),
        ([None, None], "number", "--kind x=number: expected numbers, got none$"),
        (pd.to_datetime(["2024-01-31"]), "number", "expected numbers, got none, but 2024-01-31 00:00:00"),
        (["31/12/20201"], "date", "got '31/12/20201'; give the format, as in --kind x=date:%d/%m/%Y"),
        (
            ["31.12.2024", "1.2.2024", "soon", "see file", None],
            "date",
            "in 90% of the cells, got 50% like %d.%m.%Y, which fits most; others: 'soon', 'see file'; "
            "--kind x=date:%d.%m.%Y counts these as missing",
        ),
        (["31.12."], "date:%d/%m/%Y", "expected dates like %d/%m/%Y, got none, but '31.12.'"),
        (["31"], "date:%Q", "date_format: expected ISO8601 or a format for strptime, got '%Q'"),
    ],
)
def test_kinds_that_do_not_fit_the_cells(cells, kind, words):
    with pytest.raises(DataError, match=words):
        column(cells, kind)
