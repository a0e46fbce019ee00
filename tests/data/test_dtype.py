import numpy as np
import pytest

from fastmlp.data.dtype import DTYPES, sample_dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_that_kernels_read_stay(dtype):
    assert sample_dtype(np.ones(2, dtype)) == dtype
    assert sample_dtype(np.ones(2, dtype.newbyteorder(">"))).isnative


@pytest.mark.parametrize(
    ("numbers", "ref"),
    [
        (np.array([True]), "float32"),
        (np.array([-3], np.int16), "float32"),
        (np.array([0.5], np.float16), "float32"),
        (np.array([-(2**24), 2**24]), "float32"),
        (np.array([-(2**24) - 1]), "float64"),
        (np.array([2**24 + 1], np.uint32), "float64"),
        (np.array([0.5], np.longdouble), "float64"),
        (np.zeros(0, np.int64), "float32"),
    ],
)
def test_other_numbers_become_float32_where_it_represents_them(numbers, ref):
    assert sample_dtype(numbers) == ref
