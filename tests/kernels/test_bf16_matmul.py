"""bf16 products equal their reference implementation bit for bit, on CPUs that have bf16 instructions."""

from typing import get_args

import numpy as np
import pytest

from fastmlp import settings
from fastmlp.codegen import cpu
from fastmlp.codegen.amx import unavailable_reason
from fastmlp.codegen.bf16 import HIGH, LOW, STEPS, WORDS
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import address
from fastmlp.config import Config
from fastmlp.kernels import layout as at
from fastmlp.kernels.bf16_matmul import bf16_product, tile_height, tiles_configure, tiles_release
from fastmlp.kernels.bf16_pack import block_transpose
from fastmlp.kernels.matmul import matrix
from fastmlp.reference import products
from fastmlp.settings import BF16_TERMS, OPTIMIZERS, L2Scale

UNAVAILABLE = unavailable_reason()
needs_bf16 = pytest.mark.skipif(bool(UNAVAILABLE), reason=f"exact only with bf16 instructions: {UNAVAILABLE}")


def test_the_pairing_is_of_every_step_once():
    assert sorted([*LOW, *HIGH]) == list(range(STEPS))
    assert all(low // WORDS == high // WORDS for low, high in zip(LOW, HIGH, strict=True))


@kernel
def _multiply(C, C0, A, B, c0_stride, c_stride, sizes, n_rows, n_columns):
    tiles_configure(sizes[0])
    C, C0 = matrix(C, 0, c_stride), matrix(C0, 0, c0_stride)
    bf16_product(C, C0, address(A, 0), address(B, 0), n_rows, n_columns, sizes)
    tiles_release()


def tiles_of(terms, height, by_rows):
    """Terms of a matrix (rows, steps) as tiles of words: rows of A, or columns of B with `by_rows` False."""
    n_rows, n_steps = terms[0].shape
    n_tiles, n_blocks = -(-n_rows // height), -(-n_steps // STEPS)
    tiles = np.zeros((n_tiles, n_blocks, len(terms), WORDS, WORDS), np.uint32)
    for t, term in enumerate(terms):
        padded = np.zeros((n_tiles * height, n_blocks * STEPS), np.float32)
        padded[:n_rows, :n_steps] = term
        halves = (padded.view(np.uint32) >> 16).reshape(n_tiles, height, n_blocks, STEPS)
        words = (halves[..., LOW] | halves[..., HIGH] << 16).transpose(0, 2, 1, 3)
        tiles[:, :, t, : height if by_rows else WORDS] = words if by_rows else words.transpose(0, 1, 3, 2)
    return tiles.reshape(-1).view(np.float32)


@needs_bf16
@pytest.mark.parametrize(("a_terms", "b_terms"), [(1, 1), (2, 1), (3, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("n_columns", [1, 17, 48, 70])
@pytest.mark.parametrize("n_rows", [1, 15, 29, 33])
@pytest.mark.parametrize("n_steps", [1, 33, 100])
def test_a_product_equals_its_reference(same_bits, n_rows, n_columns, n_steps, a_terms, b_terms):
    random, height = np.random.default_rng(n_steps), tile_height(n_rows)
    A, B, start = (random.normal(size=size).astype(np.float32) for size in
                   ((n_rows, n_steps), (n_columns, n_steps), (n_rows, n_columns)))  # fmt: skip
    A, B = products.row_split(A, a_terms), products.row_split(B, b_terms)
    stride = -(-n_columns // WORDS) * WORDS
    C = np.zeros((-(-n_rows // height) * height, stride), np.float32)
    C[:n_rows, :n_columns] = start
    got, tiles = np.full_like(C, np.nan), (tiles_of(A, height, True), tiles_of(B, WORDS, False))
    sizes = height, -(-n_steps // STEPS), a_terms, b_terms
    _multiply(got.reshape(-1), C.reshape(-1), *tiles, stride, stride, sizes, n_rows, n_columns)
    same_bits(got[:n_rows, :n_columns], products.bf16_product(start, A, [part.T for part in B]))


@needs_bf16
def test_sums_may_start_from_one_row(same_bits):
    random = np.random.default_rng(0)
    A, B = ([random.normal(size=size).astype(np.float32).view(np.uint32) & 0xFFFF0000] for size in ((20, 32), (16, 32)))
    A, B = ([part.astype(np.uint32).view(np.float32) for part in parts] for parts in (A, B))
    height, got = tile_height(20), np.full((32, 16), np.nan, np.float32)
    row, tiles = np.arange(16, dtype=np.float32), (tiles_of(A, height, True), tiles_of(B, WORDS, False))
    _multiply(got.reshape(-1), row, *tiles, 0, 16, (height, 1, 1, 1), 20, 16)
    same_bits(got[:20], products.bf16_product(row, A, [part.T for part in B]))


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


@pytest.fixture
def all_layers(monkeypatch):
    """Every layer is computed with bf16 products, however small."""
    monkeypatch.setattr(settings, "uses_bf16", lambda *sizes: True)


def check_equal(same_bits, epoch_run, states=(11, 12)):
    assert epoch_run.workspace.bf16
    for state in states:
        assert epoch_run.train(2**-6, state) == epoch_run.train_reference(2**-6, state)
    for got, ref in zip(epoch_run.arrays(), epoch_run.network.theta, strict=True):
        same_bits(got, ref)


@needs_bf16
@pytest.mark.parametrize("kind", ["pixels", "uint8", "float32", "float64", "strided"])
@pytest.mark.parametrize("precision", BF16_TERMS)
def test_two_epochs_equal_their_references(engine, same_bits, all_layers, precision, kind):
    config = Config(hidden=(37, 33), precision=precision, batch_size=37, l2=0.01)
    X = engine.samples("uint8" if kind == "pixels" else kind, 90, engine.panel(np.dtype("float32")) + 70)
    check_equal(same_bits, engine.EpochRun(config, X, 5, is_moved=kind != "pixels"))


@needs_bf16
@pytest.mark.parametrize("clip_norm", [0.0, 0.1])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_rule_equals_its_reference(engine, same_bits, all_layers, optimizer, clip_norm):
    config = Config(
        hidden=(20,), precision="bf16x2", optimizer=optimizer, clip_norm=clip_norm, batch_size=20, l2=0.01, dropout=0.2,
        activation="gelu", weight_decay=0.01, l2_scale=get_args(L2Scale)[clip_norm > 0],
    )  # fmt: skip
    check_equal(same_bits, engine.EpochRun(config, engine.samples("uint8", 50, 40), 3, is_moved=False))


@needs_bf16
@pytest.mark.parametrize("sizes", [(1,), (290,), (16, 17, 300), ()])
@pytest.mark.parametrize(("n", "batch_size", "n_features"), [(9, 1, 1), (70, 33, 31), (40, 40, 33)])
def test_networks_of_all_sizes_equal_their_references(engine, same_bits, all_layers, sizes, n, batch_size, n_features):
    config = Config(hidden=sizes, precision="bf16", batch_size=batch_size, activation="tanh")
    check_equal(same_bits, engine.EpochRun(config, engine.samples("float32", n, n_features), 17), states=(3,))


@needs_bf16
@pytest.mark.parametrize("cuts", [(1,), (1, 2), (2,)])
def test_an_epoch_cut_anywhere_has_the_same_bits(engine, same_bits, all_layers, cuts):
    config = Config(hidden=(20,), precision="bf16x3", batch_size=20, optimizer="adam")
    whole, cut = (engine.EpochRun(config, engine.samples("uint8", 70, 40), 3, is_moved=False) for _ in range(2))
    for state in (11, 12):
        assert whole.train(0.01, state) == cut.train(0.01, state, cuts)
    for got, ref in zip(cut.arrays(), whole.arrays(), strict=True):
        same_bits(got, ref)


@needs_bf16
@pytest.mark.parametrize("lines", [2, 6, 24])
@pytest.mark.parametrize("precision", BF16_TERMS)
def test_no_blocking_changes_a_bit(engine, same_bits, all_layers, monkeypatch, precision, lines):
    """Panels of other widths: the reference implementation has no panels."""
    monkeypatch.setattr(cpu, "panel_bytes", lambda: lines * cpu.LINE_BYTES)
    config = Config(hidden=(50, 20), precision=precision, batch_size=20)
    check_equal(same_bits, engine.EpochRun(config, engine.samples("uint8", 45, 420), 3, is_moved=False), states=(5,))


@needs_bf16
def test_layers_that_are_too_small_stay_on_the_float32_kernels(engine, same_bits):
    """By `fastmlp.settings.uses_bf16`, one hidden layer is large enough."""
    config = Config(hidden=(64, 48), precision="bf16", batch_size=48)
    epoch_run = engine.EpochRun(config, engine.samples("float32", 96, 40), 3)
    assert epoch_run.workspace.layers[:, at.BF16].tolist() == [0, 1, 0]
    check_equal(same_bits, epoch_run)
