import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastmlp.data.digits import find_digits, load_digits
from fastmlp.errors import FileFormatError

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def digits():
    return load_digits(find_digits(Path()))


def test_the_digits_equal_those_of_scikit_learn(digits):
    from sklearn.datasets import load_digits as load_ref

    ref = load_ref()
    got = np.vstack([digits.X_train, digits.X_test]) * 16
    order, ref_order = np.lexsort(got.T), np.lexsort(ref.data.T)
    np.testing.assert_array_equal(got[order], ref.data[ref_order])
    np.testing.assert_array_equal(np.concatenate([digits.y_train, digits.y_test])[order], ref.target[ref_order])


def test_a_fifth_is_held_out_of_every_class(digits):
    assert (len(digits.X_train), len(digits.X_test)) == (1438, 359)
    assert set(np.bincount(digits.y_test)) <= {35, 36, 37}


def test_the_data_set_is_always_the_same(digits):
    assert digits.checksum()[:12] == "4935d0912c84"


def test_pixels_are_float32_from_0_to_1(digits):
    assert digits.X_train.dtype == np.float32
    assert (digits.X_train.min(), digits.X_train.max()) == (0, 1)


def test_scikit_learn_is_not_imported():
    program = "import sys; from fastmlp.data import load_data; load_data('digits'); print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_without_scikit_learn_no_digits_are_found(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert find_digits(Path()) is None


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"1,2,x\n", mtime=0), gzip.compress(b"1,2,3\n4,5,6\n", mtime=0)]
)
def test_another_file_is_refused(content, tmp_path):
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"digits\.csv\.gz is not scikit-learn's"):
        load_digits(path)
