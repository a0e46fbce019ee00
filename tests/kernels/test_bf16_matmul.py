"""bf16 products equal their reference implementation bit for bit, on CPUs that have bf16 instructions."""

import numpy as np
import pytest

from fastmlp.codegen.amx import unavailable_reason
from fastmlp.codegen.bf16_tiles import STEPS, WORDS, tile_height
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import address
from fastmlp.kernels.bf16_matmul import bf16_product, tiles_configure, tiles_release
from fastmlp.kernels.matmul import matrix
from fastmlp.reference import products

UNAVAILABLE = unavailable_reason()
needs_bf16 = pytest.mark.skipif(bool(UNAVAILABLE), reason=f"exact only with bf16 instructions: {UNAVAILABLE}")


@kernel
def _multiply(C, C0, A, B, c0_stride, c_stride, sizes, n_rows, n_columns):
    tiles_configure(sizes[0])
    C, C0 = matrix(C, 0, c_stride), matrix(C0, 0, c0_stride)
    bf16_product(C, C0, address(A, 0), address(B, 0), n_rows, n_columns, sizes)
    tiles_release()


@needs_bf16
@pytest.mark.parametrize(("a_terms", "b_terms"), [(1, 1), (2, 1), (3, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("n_columns", [1, 17, 48, 70])
@pytest.mark.parametrize("n_rows", [1, 15, 29, 33])
@pytest.mark.parametrize("n_steps", [1, 33, 100])
def test_a_product_equals_its_reference(engine, same_bits, n_rows, n_columns, n_steps, a_terms, b_terms):
    random, height = np.random.default_rng(n_steps), tile_height(n_rows)
    A, B, start = (random.normal(size=size).astype(np.float32) for size in
                   ((n_rows, n_steps), (n_columns, n_steps), (n_rows, n_columns)))  # fmt: skip
    A, B = products.row_split(A, a_terms), products.row_split(B, b_terms)
    stride = -(-n_columns // WORDS) * WORDS
    C = np.zeros((-(-n_rows // height) * height, stride), np.float32)
    C[:n_rows, :n_columns] = start
    got, tiles = np.full_like(C, np.nan), (engine.tiles(A, height, True), engine.tiles(B, WORDS, False))
    sizes = height, -(-n_steps // STEPS), a_terms, b_terms
    _multiply(got.reshape(-1), C.reshape(-1), *tiles, stride, stride, sizes, n_rows, n_columns)
    same_bits(got[:n_rows, :n_columns], products.bf16_product(start, A, [part.T for part in B]))


@needs_bf16
def test_sums_may_start_from_one_row(engine, same_bits):
    random = np.random.default_rng(0)
    A, B = ([random.normal(size=size).astype(np.float32).view(np.uint32) & 0xFFFF0000] for size in ((20, 32), (16, 32)))
    A, B = ([part.astype(np.uint32).view(np.float32) for part in parts] for parts in (A, B))
    height, got = tile_height(20), np.full((32, 16), np.nan, np.float32)
    row, tiles = np.arange(16, dtype=np.float32), (engine.tiles(A, height, True), engine.tiles(B, WORDS, False))
    _multiply(got.reshape(-1), row, *tiles, 0, 16, (height, 1, 1, 1), 20, 16)
    same_bits(got[:20], products.bf16_product(row, A, [part.T for part in B]))
