"""Reference implementations of the sums over non-zeros."""

import numpy as np

from fastmlp.reference.arithmetic import Array
from fastmlp.reference.products import product


def sparse_product(C0: Array, A: Array, B: Array, indices: Array) -> Array:
    """``C0 + A B`` for one row: A are the non-zeros of a sparse row, whose columns are `indices`."""
    total: Array = product(C0[None], A[None], B[indices])[0]
    return total


def batch_group(indptr: Array, indices: Array) -> list[tuple[int, list[int], list[int]]]:
    """The non-zeros of CSR samples by feature: (feature, samples, positions in `indices`), in order of occurrence."""
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    groups: dict[int, tuple[list[int], list[int]]] = {}
    for position, (row, feature) in enumerate(zip(rows.tolist(), indices.tolist(), strict=True)):
        samples, positions = groups.setdefault(feature, ([], []))
        samples.append(row)
        positions.append(position)
    return [(feature, *group) for feature, group in groups.items()]
