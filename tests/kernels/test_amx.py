"""The kernels for AMX on a CPU without it: the tests of bf16 products, run on an emulator of its instructions."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastmlp.codegen.amx import unavailable_reason
from fastmlp.codegen.cpu import features, vector_bits

sys.path.append(str(Path(__file__).parents[1]))

from amx_emulator import WHY_NOT, environment

TESTS = Path(__file__).parents[1]

MODULES = (
    "kernels/test_bf16_matmul.py",
    "kernels/test_bf16_pack.py",
    "kernels/test_bf16_dense.py",
    "kernels/test_dispatch.py",
    "training/test_precision.py",
)
#: Tests of precisions that train with bf16 products.
TRAINING = "kernels or n_jobs or interrupted_run or records_its_precision or continues_in"


@pytest.fixture(scope="module")
def report():
    """Output of pytest in a process of its own, whose kernels are compiled for AMX."""
    if "amx-bf16" in features() and not unavailable_reason():
        pytest.skip("this CPU has AMX: its kernels' tests run on it")
    if WHY_NOT or vector_bits() < 512 or "avx512bf16" not in features():
        pytest.skip(WHY_NOT or "this CPU lacks AVX512-BF16, whose conversions go with AMX")
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:faulthandler", "-p", "no:cacheprovider", "-p", "amx_plugin"),
        *(TESTS / name for name in MODULES),
        *("-k", TRAINING),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=TESTS.parent)
    return done.stdout + done.stderr


def test_the_tests_of_bf16_products_pass_on_amxs_instructions(report):
    last = report.strip().splitlines()[-1]
    assert re.fullmatch(r"\d{3} passed, \d+ deselected in .*", last), report[-4000:]


def test_amxs_instructions_were_executed(report):
    counts = re.search(r"tdpbf16ps (\d+), ldtilecfg (\d+)", report)
    assert int(counts[1]) > 50_000
    assert int(counts[2]) > 300
