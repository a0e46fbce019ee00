import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastmlp.codegen import cpu, precompiled
from fastmlp.codegen.precompiled import feature_sets, matching_key

TRIPLE = "x86_64-unknown-linux-gnu"
X86 = pytest.mark.skipif(cpu.is_arm(), reason="the sets are those of x86-64")


BF16_INSTRUCTIONS, VECTOR_BITS = cpu.bf16_instructions.__wrapped__, cpu.vector_bits.__wrapped__


def key_of(features, monkeypatch, vector_bits=None):
    """The key that a CPU with some features finds kernels by."""
    monkeypatch.setattr(cpu, "features", lambda: frozenset(features))
    monkeypatch.setattr(cpu, "vector_bits", lambda: vector_bits or VECTOR_BITS())
    monkeypatch.setattr(cpu, "bf16_instructions", BF16_INSTRUCTIONS)
    return matching_key((TRIPLE, "a CPU", ",".join(f"+{name}" for name in features) + ",-absent"))


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv("FASTMLP_VECTOR_BITS", raising=False)


@pytest.mark.parametrize("name", feature_sets())
def test_a_cpu_with_the_features_of_a_set_and_others_uses_that_set(name, monkeypatch):
    found = feature_sets()[name]
    assert key_of((*found.features, "sse4.2", "adx"), monkeypatch) == (TRIPLE, found.cpu_name, found.variable)


@X86
@pytest.mark.parametrize(
    "features", [(), ("avx2",), ("avx2", "fma", "avx512f"), ("avx2", "fma", "avx512f", "avx512bf16")]
)
def test_a_cpu_that_lacks_a_feature_of_its_vector_width_uses_none(features, monkeypatch):
    assert key_of(features, monkeypatch) is None


@X86
def test_the_vector_width_chooses_among_the_sets_of_a_cpu(monkeypatch):
    amx, avx2 = feature_sets()["amx"], feature_sets()["avx2"]
    assert key_of(amx.features, monkeypatch, 256) == (TRIPLE, avx2.cpu_name, avx2.variable)
    assert key_of(avx2.features, monkeypatch, 512) is None
    assert key_of(amx.features, monkeypatch, 128) is None


@X86
def test_features_that_numba_may_not_use_are_not_used(monkeypatch):
    """As with NUMBA_ENABLE_AVX=0, or with NUMBA_CPU_NAME=generic alone."""
    key_of(feature_sets()["avx2"].features, monkeypatch)
    assert matching_key((TRIPLE, "a CPU", "+sse2,-avx2,-fma")) is None
    assert matching_key((TRIPLE, "generic", "")) is None


@pytest.mark.parametrize("name", feature_sets())
def test_a_process_that_compiles_for_a_set_assumes_what_the_set_states(name):
    code = "from fastmlp.codegen import cpu; print(cpu.vector_bits(), cpu.bf16_instructions())"
    environment = {**os.environ, "NUMBA_CPU_FEATURES": feature_sets()[name].variable}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    found = feature_sets()[name]
    assert done.stdout.split() == [str(found.vector_bits), *filter(None, [found.bf16_instructions])]


def test_a_source_tree_carries_no_kernels():
    assert not precompiled.FOLDER.exists()


@X86
def test_the_page_about_deploying_names_the_features_of_the_set_for_avx2():
    page = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
    found = feature_sets()["avx2"]
    assert f"NUMBA_CPU_NAME={found.cpu_name} " in page
    assert f"NUMBA_CPU_FEATURES={found.variable}\n" in page
