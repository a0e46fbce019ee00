"""Networks of which some layers are computed with bf16 products and the others in float32."""

import pytest

from fastmlp.codegen.amx import unavailable_reason
from fastmlp.config import Config
from fastmlp.kernels import layout as at

UNAVAILABLE = unavailable_reason()
needs_bf16 = pytest.mark.skipif(bool(UNAVAILABLE), reason=f"exact only with bf16 instructions: {UNAVAILABLE}")


@needs_bf16
@pytest.mark.parametrize("clip_norm", [0.0, 0.1])
@pytest.mark.parametrize(("n_features", "expected"), [(40, [0, 1, 0]), (80, [1, 1, 0])])
def test_layers_that_are_too_small_are_computed_in_float32(engine, check_bf16_epochs, n_features, expected, clip_norm):
    """By `fastmlp.settings.uses_bf16`: the hidden layer of 64 inputs and 48 outputs is large enough."""
    config = Config(hidden=(64, 48), precision="bf16", batch_size=48, clip_norm=clip_norm)
    epoch_run = engine.EpochRun(config, engine.samples("float32", 96, n_features), 3)
    assert epoch_run.workspace.layers[:, at.BF16].tolist() == expected
    check_bf16_epochs(epoch_run)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_no_layer_of_other_precisions_is_computed_in_bf16(engine, precision):
    epoch_run = engine.EpochRun(Config(hidden=(64,), precision=precision), engine.samples("float32", 96, 80), 40)
    assert not epoch_run.workspace.layers[:, at.BF16].any()
    bf16_kernels = [at.FIRST_LAYER, at.BF16_FORWARD, at.BF16_BACKWARD, at.BF16_UPDATE]
    assert not epoch_run.nets[0].common[bf16_kernels].any()
