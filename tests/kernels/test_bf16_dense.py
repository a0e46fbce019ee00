"""Epochs with bf16 products equal those of the reference implementation, on CPUs that have bf16 instructions."""

from typing import get_args

import numpy as np
import pytest

from fastmlp.codegen import cpu
from fastmlp.codegen.amx import unavailable_reason
from fastmlp.config import Config
from fastmlp.settings import BF16_TERMS, OPTIMIZERS, L2Scale

UNAVAILABLE = unavailable_reason()
needs_bf16 = pytest.mark.skipif(bool(UNAVAILABLE), reason=f"exact only with bf16 instructions: {UNAVAILABLE}")


@needs_bf16
@pytest.mark.parametrize("kind", ["pixels", "uint8", "float32", "float64", "strided"])
@pytest.mark.parametrize("precision", BF16_TERMS)
def test_two_epochs_equal_their_references(engine, check_bf16_epochs, all_layers_bf16, precision, kind):
    config = Config(hidden=(37, 33), precision=precision, batch_size=37, l2=0.01)
    X = engine.samples("uint8" if kind == "pixels" else kind, 90, engine.panel(np.dtype("float32")) + 70)
    check_bf16_epochs(engine.EpochRun(config, X, 5, is_moved=kind != "pixels"))


@needs_bf16
@pytest.mark.parametrize("clip_norm", [0.0, 0.1])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_equals_its_reference(engine, check_bf16_epochs, all_layers_bf16, optimizer, clip_norm):
    config = Config(
        hidden=(20,), precision="bf16x2", optimizer=optimizer, clip_norm=clip_norm, batch_size=20, l2=0.01, dropout=0.2,
        activation="gelu", weight_decay=0.01, l2_scale=get_args(L2Scale)[clip_norm > 0],
    )  # fmt: skip
    check_bf16_epochs(engine.EpochRun(config, engine.samples("uint8", 50, 40), 3, is_moved=False))


@needs_bf16
@pytest.mark.parametrize("sizes", [(1,), (290,), (16, 17, 300), ()])
@pytest.mark.parametrize(("n", "batch_size", "n_features"), [(9, 1, 1), (70, 33, 31), (40, 40, 33)])
def test_networks_of_all_sizes_equal_their_references(
    engine, check_bf16_epochs, all_layers_bf16, sizes, n, batch_size, n_features
):
    config = Config(hidden=sizes, precision="bf16", batch_size=batch_size, activation="tanh")
    check_bf16_epochs(engine.EpochRun(config, engine.samples("float32", n, n_features), 17), states=(3,))


@needs_bf16
@pytest.mark.parametrize("cuts", [(1,), (1, 2), (2,)])
def test_an_epoch_cut_anywhere_has_the_same_bits(engine, same_bits, all_layers_bf16, cuts):
    config = Config(hidden=(20,), precision="bf16x3", batch_size=20, optimizer="adam")
    whole, cut = (engine.EpochRun(config, engine.samples("uint8", 70, 40), 3, is_moved=False) for _ in range(2))
    for state in (11, 12):
        assert whole.train(0.01, state) == cut.train(0.01, state, cuts)
    for got, ref in zip(cut.arrays(), whole.arrays(), strict=True):
        same_bits(got, ref)


@needs_bf16
@pytest.mark.parametrize("lines", [2, 6, 24])
@pytest.mark.parametrize("precision", BF16_TERMS)
def test_no_blocking_changes_a_bit(engine, check_bf16_epochs, all_layers_bf16, monkeypatch, precision, lines):
    """Panels of other widths: the reference implementation has no panels."""
    monkeypatch.setattr(cpu, "panel_bytes", lambda batch_size: lines * cpu.LINE_BYTES)
    config = Config(hidden=(50, 20), precision=precision, batch_size=20)
    check_bf16_epochs(engine.EpochRun(config, engine.samples("uint8", 45, 420), 3, is_moved=False), states=(5,))
