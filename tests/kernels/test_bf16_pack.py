"""Operands of bf16 products, packed in tiles."""

import numpy as np
import pytest

from fastmlp.codegen import cpu
from fastmlp.codegen.amx import unavailable_reason
from fastmlp.codegen.bf16 import HIGH, LOW
from fastmlp.codegen.bf16_tiles import STEPS, WORDS, tile_height
from fastmlp.codegen.jit import kernel
from fastmlp.kernels.bf16_pack import block_transpose, rows_split
from fastmlp.kernels.matmul import matrix
from fastmlp.reference import products
from fastmlp.reference.arithmetic import multiply

UNAVAILABLE = unavailable_reason()
needs_bf16 = pytest.mark.skipif(bool(UNAVAILABLE), reason=f"exact only with bf16 instructions: {UNAVAILABLE}")


def test_the_two_halves_of_the_words_hold_every_step_once():
    assert sorted([*LOW, *HIGH]) == list(range(STEPS))
    assert all(low // WORDS == high // WORDS for low, high in zip(LOW, HIGH, strict=True))


@kernel
def _split(M, stride, factor, sizes, terms, height, tiles):
    rows_split(matrix(M, 0, stride), factor, (sizes[0], sizes[1]), terms, height, tiles, 0)


@needs_bf16
@pytest.mark.parametrize("terms", [1, 2, 3])
@pytest.mark.parametrize(("n_rows", "n_columns"), [(1, 1), (16, 32), (17, 33), (29, 70)])
def test_rows_are_split_into_the_terms_of_the_reference(engine, same_bits, n_rows, n_columns, terms):
    M, factor = np.random.default_rng(0).normal(size=(n_rows, 96)).astype(np.float32), np.float32(0.3)
    M[:, n_columns:] = 0
    height = tile_height(n_rows)
    ref = engine.tiles(products.row_split(multiply(M[:, :n_columns], np.asarray(factor)), terms), height, True)
    got = np.zeros_like(ref)
    _split(M.reshape(-1), 96, factor, np.array([n_rows, n_columns]), terms, height, got)
    same_bits(got, ref)


@kernel
def _transpose(source, sizes, target):
    block_transpose(source, 0, sizes[2], sizes[0], sizes[1], target, 0, sizes[3])


@pytest.mark.skipif(cpu.vector_bits() < 512, reason="vectors of 512 bits alone are packed")
@pytest.mark.parametrize(("n_rows", "n_columns"), [(1, 1), (16, 16), (17, 5), (40, 31)])
def test_a_transposed_block_reads_no_row_beyond_the_last(n_rows, n_columns):
    source = np.random.default_rng(0).normal(size=(n_rows, 48)).astype(np.float32)
    target = np.full((32, 48), np.nan, np.float32)
    _transpose(source.reshape(-1), np.array([n_rows, n_columns, 48, 48]), target.reshape(-1))
    padded = np.zeros((n_columns, -(-n_rows // 16) * 16), np.float32)
    padded[:, :n_rows] = source[:, :n_columns].T
    np.testing.assert_array_equal(target[:n_columns, : padded.shape[1]], padded)
