"""The kernels that a network calls, chosen by its settings."""

from itertools import product

import pytest

from fastmlp.kernels import activation, bf16_dense, loss, matmul, predict, sampling, step, update
from fastmlp.kernels import layout as at
from fastmlp.kernels.implementations import (
    CONVERSIONS,
    SCALE,
    for_prediction,
    for_samples,
    for_training,
    sparse_predict,
)
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS

#: Whether the gradient is clipped, units are dropped, labels are smoothed and layers are computed in bf16.
FLAGS = ("clips", "drops_out", "smooths", "bf16")
COMBINATIONS = [dict(zip(FLAGS, chosen, strict=True)) for chosen in product((False, True), repeat=len(FLAGS))]
#: Entries of `common` that have addresses.
ADDRESSES = range(at.PRODUCT, at.CONVERT + 1)


def choices():
    """The settings and the choice of every combination."""
    for names in product(ACTIVATIONS, LOSSES, OPTIMIZERS):
        for flags in COMBINATIONS:
            yield names, flags, for_training(*names, **flags)


def needed(names, flags):
    """The entries of `common` through which kernels call in training, but those for samples."""
    activation_name, loss_name, optimizer = names
    entries = {at.PRODUCT, at.ACTIVATION_FORWARD, at.LOSS_FORWARD, at.LOSS_BACKWARD, at.UPDATE}
    entries |= {at.ACTIVATION_BACKWARD} if ACTIVATIONS[activation_name].derivative_of == "output" else set()
    entries |= {at.CLIPPED_UPDATE, at.STORED_UPDATE} if flags["clips"] else set()
    entries |= {at.DESCENT} if optimizer == "sgd" and not flags["clips"] else set()
    entries |= {at.DROPOUT} if flags["drops_out"] else set()
    entries |= {at.SMOOTHING_FORWARD} if flags["smooths"] and LOSSES[loss_name].output == "softmax" else set()
    bf16 = {at.FIRST_LAYER, at.BF16_FORWARD, at.BF16_BACKWARD, at.BF16_UPDATE}
    return entries | (bf16 if flags["bf16"] else set())


def test_every_combination_has_the_addresses_that_it_needs_and_no_other():
    for names, flags, chosen in choices():
        assert set(chosen) == needed(names, flags), (names, flags)


def test_every_address_in_the_table_is_needed_by_some_network():
    filled = {entry for _, _, chosen in choices() for entry in chosen}
    assert filled | {*for_samples("uint8")} | {*for_samples("uint8", is_sparse=True)} == set(ADDRESSES)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_activation_is_that_of_the_name(name):
    chosen = for_training(name, "huber", "adam", **COMBINATIONS[0])
    assert chosen[at.ACTIVATION_FORWARD].name == f"activation_{name}"
    assert for_prediction(name, "huber")[at.ACTIVATION_FORWARD] is chosen[at.ACTIVATION_FORWARD]
    if at.ACTIVATION_BACKWARD in chosen:
        assert chosen[at.ACTIVATION_BACKWARD].name == f"activation_backward_{name}"


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_that_of_the_name(name):
    chosen = for_training("tanh", name, "adam", **COMBINATIONS[0])
    is_softmax = name == "cross_entropy"
    assert chosen[at.LOSS_FORWARD].name == ("cross_entropy_forward" if is_softmax else f"loss_{name}")
    assert for_prediction("tanh", name)[at.LOSS_FORWARD] is chosen[at.LOSS_FORWARD]
    assert chosen[at.LOSS_BACKWARD].name == ("cross_entropy_backward" if is_softmax else f"loss_backward_{name}")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_update_is_that_of_the_optimizer_or_stores_the_gradient_that_is_to_be_clipped(name):
    plain, clipped = (for_training("tanh", "huber", name, **COMBINATIONS[0] | {"clips": c}) for c in (False, True))
    kernel_of = {"adamw": "adam"}.get(name, name)
    assert plain[at.UPDATE].name == clipped[at.STORED_UPDATE].name == f"update_{kernel_of}"
    assert clipped[at.UPDATE] is update.gradient_store
    assert clipped[at.CLIPPED_UPDATE] is step.clipped_update


def test_without_updates_the_gradient_is_stored_and_nothing_applies_it():
    names, flags = ("tanh", "huber", "sgd"), COMBINATIONS[0]
    plain, stored = for_training(*names, **flags), for_training(*names, **flags, updates=False)
    assert stored == {entry: plain[entry] for entry in plain if entry != at.DESCENT} | {
        at.UPDATE: update.gradient_store
    }


def test_the_other_kernels_are_those_of_their_entries():
    chosen = for_training("tanh", "cross_entropy", "sgd", clips=False, drops_out=True, smooths=True, bf16=True)
    assert chosen[at.PRODUCT] is matmul.product_block
    assert chosen[at.DESCENT] is matmul.product_descent
    assert chosen[at.DROPOUT] is activation.dropout_forward
    assert chosen[at.SMOOTHING_FORWARD] is loss.smoothing_forward
    assert chosen[at.FIRST_LAYER] is bf16_dense.bf16_fused_update_forward
    assert chosen[at.BF16_FORWARD] is bf16_dense.bf16_forward
    assert chosen[at.BF16_BACKWARD] is bf16_dense.bf16_backward
    assert chosen[at.BF16_UPDATE] is bf16_dense.bf16_update


def test_a_prediction_has_a_product_an_activation_and_a_loss():
    assert set(for_prediction("relu", "huber")) == {at.PRODUCT, at.ACTIVATION_FORWARD, at.LOSS_FORWARD}


@pytest.mark.parametrize("dtype", at.SAMPLE_DTYPES)
def test_samples_are_gathered_and_scaled_by_the_kernels_of_their_dtype(dtype):
    assert for_samples(dtype) == {at.GATHER_ROWS: sampling.ROWS[dtype], at.GATHER_COLUMNS: sampling.COLUMNS[dtype]}
    assert {kernel.name.rpartition("_")[2] for kernel in (*for_samples(dtype).values(), SCALE[dtype])} == {dtype}


def test_there_is_a_kernel_for_every_name_in_settings():
    assert set(activation.FORWARD) == set(ACTIVATIONS)
    assert set(loss.FORWARD) == set(loss.BACKWARD) == set(LOSSES)
    assert set(update.UPDATES) == {optimizer.code for optimizer in OPTIMIZERS.values()}
    assert set(sampling.ROWS) == set(sampling.COLUMNS) == set(predict.SCALE) == set(at.SAMPLE_DTYPES)


def test_the_names_of_all_implementations_are_unique(engine):
    """They are their files in the cache and their symbols in the machine code."""
    names = [implementation.name for implementation in engine.implementations]
    assert sorted(names) == sorted(set(names))


def test_every_implementation_is_chosen_by_some_settings(engine):
    chosen = {implementation for _, _, choice in choices() for implementation in choice.values()}
    chosen |= {kernel for dtype in at.SAMPLE_DTYPES for kernel in (*for_samples(dtype).values(), SCALE[dtype])}
    chosen |= {kernel for dtype in at.SAMPLE_DTYPES for kernel in for_samples(dtype, is_sparse=True).values()}
    chosen |= {*CONVERSIONS.values(), sparse_predict}
    assert chosen == set(engine.implementations)
