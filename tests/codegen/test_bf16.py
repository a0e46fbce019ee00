import numpy as np
import pytest

from fastmlp.codegen import bf16, cpu
from fastmlp.codegen.bf16 import HIGH, LOW, bf16_round, pairing, pairs_pack, row_pack
from fastmlp.codegen.bf16_tiles import STEPS, WORDS
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import vload, vstore

NEEDS_BF16 = pytest.mark.skipif(not cpu.bf16_instructions(), reason="this CPU has no bf16 instructions")


def amx_chains(low, high):
    """AMX sums the lower and the upper halves of all words in one chain each."""
    return [list(low), list(high)]


def avx512bf16_chains(low, high):
    """AVX512-BF16 sums words 0 to 7, then words 8 to 15, each by its upper half before its lower half."""
    return [[step for word in words for step in (high[word], low[word])] for words in (range(8), range(8, 16))]


@pytest.mark.parametrize(("instructions", "chains"), [("amx", amx_chains), ("avx512bf16", avx512bf16_chains)])
def test_both_instruction_sets_sum_the_even_and_the_odd_terms_in_one_chain_each(instructions, chains, monkeypatch):
    monkeypatch.setattr(bf16.cpu, "bf16_instructions", lambda: instructions)
    assert chains(*pairing()) == [list(range(0, STEPS, 2)), list(range(1, STEPS, 2))]


@kernel
def round_all(x, out):
    vstore(out, 0, bf16_round(vload(x, 0)))


@kernel
def pack_row(x, out):
    vstore(out, 0, row_pack(vload(x, 0), vload(x, 16)))


@kernel
def pack_pairs(low, high, out):
    vstore(out, 0, pairs_pack(vload(low, 0), vload(high, 0)))


def rounded(x):
    """float32 rounded to bf16, ties to even, by integer arithmetic."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


def halves(words):
    """The numbers in the lower and in the upper halves of packed words."""
    bits = words.view(np.uint32)
    return (bits << 16).view(np.float32), (bits & 0xFFFF0000).view(np.float32)


@pytest.fixture
def terms():
    """32 numbers with ties and a value that rounds to infinity."""
    x = np.random.default_rng(0).normal(0, 100, STEPS).astype(np.float32)
    x[:4] = 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, np.finfo(np.float32).max
    return x


@NEEDS_BF16
def test_numbers_are_rounded_to_nearest_with_ties_to_even(terms):
    out = np.zeros(WORDS, np.float32)
    round_all(terms, out)
    np.testing.assert_array_equal(out, rounded(terms[:WORDS]))
    assert out[:4].tolist() == [1, 1 + 2**-6, -1, np.inf]


@NEEDS_BF16
def test_a_row_holds_the_rounded_terms_in_the_order_of_the_instructions(terms):
    out = np.zeros(WORDS, np.float32)
    pack_row(terms, out)
    low, high = halves(out)
    np.testing.assert_array_equal(low, rounded(terms)[list(LOW)])
    np.testing.assert_array_equal(high, rounded(terms)[list(HIGH)])


@NEEDS_BF16
def test_two_vectors_are_packed_in_the_halves_of_words(terms):
    x, out = rounded(terms), np.zeros(WORDS, np.float32)
    pack_pairs(x[:WORDS], x[WORDS:], out)
    low, high = halves(out)
    np.testing.assert_array_equal(low, x[:WORDS])
    np.testing.assert_array_equal(high, x[WORDS:])
