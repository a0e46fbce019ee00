"""The emulator of AMX compared with NumPy, bit for bit.

Run as a script, this file is a child process that executes kernels with tile instructions, compiled for a CPU that has
them. It prints their results and exit codes, which the tests check.
"""

import faulthandler
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.codegen.denormals import flush_subnormals, restore_control
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import I64, data_pointer
from fastmlp.reference.arithmetic import flush, fma

sys.path.append(str(Path(__file__).parent))

import amx_emulator_state
from amx_emulator import PLACES, WHY_NOT, emulated_tiles, environment, instruction_decode, operand_decode

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

# numbers, and the manual's loop


def words_of(low, high):
    """Words of bf16 pairs, of float32 numbers cut to bf16."""
    low, high = (np.asarray(x, np.float32).view(np.uint32) for x in (low, high))
    return low >> 16 | high & 0xFFFF0000


def halves(words):
    return (words << 16).view(np.float32), (words & 0xFFFF0000).view(np.float32)


def plain(random):
    A, B = (words_of(*random.standard_normal((2, 16, 16))) for _ in range(2))
    return A, B, random.standard_normal((16, 16)).astype(np.float32)


def tiny(random):
    """Products, sums and accumulators on both sides of the smallest normal number, and subnormal factors."""
    signs = random.choice([-1.0, 1.0], (5, 16, 16))
    values = signs * random.uniform(1, 2, (5, 16, 16)) * 2.0 ** random.integers(-66, -61, (5, 16, 16))
    values[:4, :, ::5] *= 2.0**-67
    return words_of(*values[:2]), words_of(*values[2:4]), (values[4] * 2.0**-63).astype(np.float32)


def zeros(random):
    values = random.choice([0.0, -0.0, 1.0, -1.0], (4, 16, 16))
    return words_of(*values[:2]), words_of(*values[2:]), random.choice(np.array([0, -0.0], np.float32), (16, 16))


def cancelling(random):
    """The odd chain is nearly the negative of the even one."""
    a, b, c = random.standard_normal((3, 16, 16))
    return words_of(a, a), words_of(b, -1.01 * b), c.astype(np.float32)


#: Numbers, and rows, words and steps of the tiles.
CASES = {
    "full tiles": (plain, (16, 16, 16)),
    "fewer rows, words and steps": (plain, (5, 3, 7)),
    "one of each": (plain, (1, 1, 1)),
    "subnormal numbers": (tiny, (16, 16, 16)),
    "signed zeros": (zeros, (16, 16, 16)),
    "cancellation": (cancelling, (16, 16, 16)),
}


def operands(case):
    """The configuration, A, B and C of a case, and D, which is to be overwritten."""
    numbers, (rows, words, steps) = CASES[case]
    config = np.zeros(64, np.uint8)
    config[0], config[16:22:2], config[48:51] = 1, (4 * words, 4 * steps, 4 * words), (rows, rows, steps)
    return config, *numbers(np.random.default_rng(0)), np.full((16, 16), 7, np.float32)


def two_chains(A, B):
    """Sums of the lower halves' products and of the upper halves'."""
    chains = [np.zeros((len(A), B.shape[1]), np.float32) for _ in range(2)]
    for k in range(A.shape[1]):
        for chain, (a, b) in enumerate(zip(halves(A), halves(B), strict=True)):
            chains[chain] = fma(a[:, k, None], b[None, k], chains[chain])
    return flush(chains[0] + chains[1])


def product(case):
    """C and D of a case after the instructions, by the manual."""
    _, A, B, C, D = operands(case)
    rows, words, steps = CASES[case][1]
    total = two_chains(A[:rows, :steps], B[:steps, :words])
    C[:rows, :words] = flush(flush(C[:rows, :words]) + total)
    D[:rows, :words] = total + np.float32(0)
    return C, D


# the machine code


def program(steps):
    """A kernel of five arrays that executes `steps`, given as LLVM's intrinsics."""

    @intrinsic
    def emitted(_, config, A, B, C, D):
        def emit(context, builder, sig, args):
            def do(name, *operands):
                values = [ir.IntType(8)(x) if isinstance(x, int) else x for x in operands]
                declared = ir.FunctionType(ir.VoidType(), [value.type for value in values])
                builder.call(cgutils.get_or_insert_function(builder.module, declared, f"llvm.{name}"), values)

            arrays = (data_pointer(context, builder, *pair) for pair in zip(sig.args, args, strict=True))
            steps(do, *(builder.bitcast(array, ir.IntType(8).as_pointer()) for array in arrays))
            return context.get_dummy_value()

        return types.void(config, A, B, C, D), emit

    @kernel
    def run(config, A, B, C, D):
        emitted(config, A, B, C, D)

    return run


@program
def multiply(do, config, A, B, C, D):
    """``C += A @ B; D = A @ B``."""
    do("x86.ldtilecfg", config)
    do("x86.tileloadd64", 0, C, I64(64))
    do("x86.tileloadd64", 1, A, I64(64))
    do("x86.tileloaddt164", 2, B, I64(64))
    do("x86.tdpbf16ps", 0, 1, 2)
    do("x86.tilestored64", 0, C, I64(64))
    do("x86.tilezero", 0)
    do("x86.tdpbf16ps", 0, 1, 2)
    do("x86.tilestored64", 0, D, I64(64))
    do("x86.tilerelease")


@program
def store_configs(do, config, A, B, C, D):
    """Store the configuration in A, and in B after the release."""
    do("x86.ldtilecfg", config)
    do("x86.sttilecfg", A)
    do("x86.tilerelease")
    do("x86.sttilecfg", B)


@program
def use_released(do, config, A, B, C, D):
    do("x86.ldtilecfg", config)
    do("x86.tilerelease")
    do("x86.tilezero", 0)


@program
def use_one_tile_twice(do, config, A, B, C, D):
    do("x86.ldtilecfg", config)
    do("x86.tdpbf16ps", 0, 1, 1)


@program
def meet_ud2(do, config, A, B, C, D):
    do("trap")


@program
def meet_ud2_after_a_tile(do, config, A, B, C, D):
    do("x86.tilerelease")
    do("trap")


@kernel
def multiply_flushed(config, A, B, C, D):
    control = flush_subnormals()
    multiply(config, A, B, C, D)
    restore_control(control)


#: What ends a process: the kernel, a byte of the configuration that is changed and its value, and the reason given.
MISTAKES = {
    "ud2": (meet_ud2, 0, 1, "no instruction"),
    "ud2 after a tile instruction": (meet_ud2_after_a_tile, 0, 1, "no instruction"),
    "equal registers": (use_one_tile_twice, 0, 1, "not three"),
    "a tile after TILERELEASE": (use_released, 0, 1, "not configured"),
    "a tile without rows and words": (multiply, slice(16, 64), 0, "not configured"),
    "words that are cut": (multiply, 16, 62, "multiple of 4"),
    "palette 2": (multiply, 0, 2, "forbids"),
    "17 rows": (multiply, 48, 17, "forbids"),
    "rows without words": (multiply, 16, 0, "forbids"),
    "a reserved byte": (multiply, 63, 1, "forbids"),
    "rows of C that are not A's": (multiply, 48, 15, "do not fit"),
    "words of C that are not B's": (multiply, 16, 60, "do not fit"),
    "words of A that are not B's rows": (multiply, 18, 60, "do not fit"),
}


# the child


def computed(run, case):
    """C and D after a kernel's run, as text."""
    arrays = operands(case)
    run(*arrays)
    return (arrays[3].tobytes() + arrays[4].tobytes()).hex()


def computed_by_two_threads():
    """All results of two threads in many runs, each with its own tile shape."""
    found, start = {}, threading.Barrier(2)

    def work(case):
        start.wait()
        found[case] = sorted({computed(multiply, case) for _ in range(500)})

    threads = [threading.Thread(target=work, args=(case,)) for case in list(CASES)[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def end_of(run, config):
    """Exit code of a fork that makes a mistake."""
    child = os.fork()
    if child == 0:
        run(config, *operands("full tiles")[1:])
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def ends():
    found = {}
    for name, (run, place, value, _) in MISTAKES.items():
        config = operands("full tiles")[0]
        config[place] = value
        found[name] = end_of(run, config)
    return found


def main():
    import resource  # no Windows has it

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    report = {}
    with emulated_tiles() as counts:
        computed(multiply, "full tiles")
        report["counts"] = {name: getattr(counts, name) for name in amx_emulator_state.NAMES}
        report["computed"] = {case: computed(multiply, case) for case in CASES}
        report["flushed"] = computed(multiply_flushed, "subnormal numbers")
        report["threads"] = computed_by_two_threads()
        config, A, B, C, D = operands("fewer rows, words and steps")
        store_configs(config, A, B, C, D)
        report["configs"] = [A.tobytes()[:64].hex(), B.tobytes()[:64].hex()]
        report["ends"] = ends()
    report["outside"] = end_of(multiply, config)
    print(json.dumps(report))


# the tests


@pytest.fixture(scope="module")
def child():
    """Report of the child process, and its messages about mistakes."""
    command = [sys.executable, __file__]
    done = subprocess.run(command, env=environment(), check=True, text=True, capture_output=True)
    return {**json.loads(done.stdout), "said": [line for line in done.stderr.splitlines() if "AMX emulator" in line]}


def as_text(arrays):
    return b"".join(array.tobytes() for array in arrays).hex()


@pytest.mark.parametrize("case", CASES)
def test_products_have_the_bits_of_the_manuals_loop(child, case):
    assert child["computed"][case] == as_text(product(case))


def test_the_threads_own_treatment_of_subnormal_numbers_does_not_matter(child):
    assert child["flushed"] == child["computed"]["subnormal numbers"]


def test_every_thread_has_tiles_of_its_own(child):
    assert child["threads"] == {case: [as_text(product(case))] for case in list(CASES)[:2]}


def test_instructions_are_counted(child):
    expected = {"ldtilecfg": 1, "tileloadd": 2, "tileloaddt1": 1, "tdpbf16ps": 2, "tilestored": 2, "tilezero": 1}
    assert child["counts"] == {"sttilecfg": 0, "tilerelease": 1, **expected}


def test_the_configuration_is_stored_and_cleared_by_release(child):
    assert child["configs"] == [operands("fewer rows, words and steps")[0].tobytes().hex(), bytes(64).hex()]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_the_process(child, mistake):
    assert child["ends"][mistake] == -signal.SIGILL
    assert MISTAKES[mistake][3] in child["said"][list(MISTAKES).index(mistake)]


def test_an_illegal_instruction_other_than_amx_ends_the_process_as_before(child):
    assert child["outside"] == -signal.SIGILL
    assert len(child["said"]) == len(MISTAKES)


def one_chain(A, B, total):
    """The upper half's product, then the lower's, word after word: the order of AVX512-BF16."""
    for k in range(16):
        for a, b in zip(reversed(halves(A)), reversed(halves(B)), strict=True):
            total = fma(a[:, k, None], b[None, k], total)
    return total


@pytest.mark.parametrize("case", ["full tiles", "cancellation"])
def test_these_numbers_tell_orders_of_summation_apart(case):
    _, A, B, C, _ = operands(case)
    zero = np.zeros_like(C)
    (even, odd), (b_even, b_odd) = halves(A), halves(B)
    orders = [product(case)[0], one_chain(A, B, C), C + one_chain(A, B, zero)]
    chained = [one_chain(words_of(a, 0 * a), words_of(b, 0 * b), zero) for a, b in ((even, b_even), (odd, b_odd))]
    orders.append((C + chained[0]) + chained[1])
    assert len({order.tobytes() for order in orders}) == len(orders)


def test_these_numbers_tell_fused_products_from_rounded_ones():
    """A product of bf16 numbers is exact in float32 unless it underflows, so only there does its rounding matter."""
    case = "subnormal numbers"
    _, A, B, C, _ = operands(case)
    chains = [np.zeros_like(C), np.zeros_like(C)]
    for k in range(16):
        for chain, (a, b) in enumerate(zip(halves(A), halves(B), strict=True)):
            chains[chain] = flush(flush(flush(a[:, k, None]) * flush(b[None, k])) + chains[chain])
    assert (flush(chains[0] + chains[1]) != two_chains(A, B)).any()


#: GNU as's bytes of an instruction, its name, base, displacement, index and scale.
ENCODINGS = {
    "ldtilecfg (%rdi)": ("c4e2784907", "ldtilecfg", 7, 0, None, 1),
    "ldtilecfg 0x40(%rsp)": ("c4e27849442440", "ldtilecfg", 4, 64, None, 1),
    "ldtilecfg 0x10(%rip)": ("c4e278490510000000", "ldtilecfg", "rip", 16, None, 1),
    "ldtilecfg 0x1000(%r13,%r9,4)": ("c4827849848d00100000", "ldtilecfg", 13, 4096, 9, 4),
    "sttilecfg -8(%rbp)": ("c4e2794945f8", "sttilecfg", 5, -8, None, 1),
    "tilerelease": ("c4e27849c0", "tilerelease", None, 0, None, 1),
    "tilezero %tmm5": ("c4e27b49e8", "tilezero", None, 0, None, 1),
    "tileloadd (%rdi,%rsi,1),%tmm1": ("c4e27b4b0c37", "tileloadd", 7, 0, 6, 1),
    "tileloadd 0x10(%r13,%r14,8),%tmm7": ("c4827b4b7cf510", "tileloadd", 13, 16, 14, 8),
    "tileloadd (%r12),%tmm7": ("c4c27b4b3c24", "tileloadd", 12, 0, None, 1),
    "tileloadd (%rax,%r12,1),%tmm0": ("c4a27b4b0420", "tileloadd", 0, 0, 12, 1),
    "tileloadd 0x1000(,%r14,2),%tmm7": ("c4a27b4b3c7500100000", "tileloadd", None, 4096, 14, 2),
    "tileloaddt1 (%rdi,%rsi,1),%tmm2": ("c4e2794b1437", "tileloaddt1", 7, 0, 6, 1),
    "tilestored %tmm3,-128(%rdi,%rsi,1)": ("c4e27a4b5c3780", "tilestored", 7, -128, 6, 1),
    "tdpbf16ps %tmm7,%tmm6,%tmm5": ("c4e2425cee", "tdpbf16ps", None, 0, None, 1),
}


@pytest.mark.parametrize("text", ENCODINGS)
def test_instructions_are_decoded(text):
    code_hex, name, base, displacement, index, scale = ENCODINGS[text]
    code = np.frombuffer(bytes.fromhex(code_hex).ljust(16, b"\0"), np.uint8).copy()
    registers = np.zeros(23, np.int64)
    registers[PLACES], registers[16] = 1 << np.arange(20, 36), 1 << 40
    address = 0 if base is None else (1 << 40) + len(code_hex) // 2 if base == "rip" else 1 << (20 + base)
    stride = 0 if index is None else scale << (20 + index)
    assert amx_emulator_state.NAMES[instruction_decode(code)] == name
    assert operand_decode(registers, code) == (address + displacement, stride, len(code_hex) // 2)


@pytest.mark.parametrize(
    ("code_hex", "reason"),
    [
        ("0f0b", amx_emulator_state.UNKNOWN),  # ud2
        ("c4e2435eee", amx_emulator_state.UNKNOWN),  # tdpbssd
        ("c4e2435cee", amx_emulator_state.UNKNOWN),  # tdpfp16ps
        ("c4e2fb49e8", amx_emulator_state.MALFORMED),  # tilezero, W of 1
        ("c4e27f49e8", amx_emulator_state.MALFORMED),  # tilezero, L of 1
        ("c4627b49e8", amx_emulator_state.MALFORMED),  # tilezero %tmm13
        ("c4e26b49e8", amx_emulator_state.MALFORMED),  # tilezero with a second register
        ("c4e27b4b0f", amx_emulator_state.MALFORMED),  # tileloadd (%rdi) without SIB
        ("c4e2025cee", amx_emulator_state.MALFORMED),  # tdpbf16ps %tmm15,%tmm6,%tmm5
        ("c4c2425cee", amx_emulator_state.MALFORMED),  # tdpbf16ps %tmm7,%tmm14,%tmm5
        ("c4e278490f", amx_emulator_state.MALFORMED),  # ldtilecfg, /1
    ],
)
def test_other_encodings_are_refused(code_hex, reason):
    assert instruction_decode(np.frombuffer(bytes.fromhex(code_hex).ljust(16, b"\0"), np.uint8).copy()) == reason


if __name__ == "__main__":
    main()
