"""Tests of names in messages."""

import numpy as np

from fastmlp.table.name import MAX_NAMES, listed, nearest, shown


def test_a_list_is_bounded():
    names = [f"c{place}" for place in range(1000)]
    assert listed(names).count("'") == 2 * MAX_NAMES
    assert listed(names).endswith("(1000 in all)")
    assert len(listed(["x" * 10_000])) < 100


def test_the_nearest_name_is_suggested():
    assert nearest("AGE", ["sex", "age"]).endswith("did you mean 'age'?")
    assert nearest("fixed_acidity", ["fixed acidity", "pH"]).endswith("did you mean 'fixed acidity'?")
    assert nearest("zzz", ["sex", "age"]) == "unknown column 'zzz'; the columns are 'sex', 'age'"


def test_cells_are_shown_as_python_writes_them():
    cells = [np.float64(1.1), np.int64(0), np.bool_(True), 2.5, "x" * 100]
    assert [shown(cell) for cell in cells] == ["1.1", "0", "True", "2.5", "'" + "x" * 39]
