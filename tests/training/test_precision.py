"""Which precision a run takes: by the CPU, the user's switch, the operating system, and the data."""

import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastmlp
from fastmlp.codegen import amx, cpu
from fastmlp.codegen.amx import request_permission, unavailable_reason
from fastmlp.config import Config
from fastmlp.errors import ConfigError, WorkerError
from fastmlp.settings import BF16_TERMS, dtype_of
from fastmlp.study.plan import make_plan
from fastmlp.study.run import execute
from fastmlp.training.precision import resolve
from fastmlp.training.trainer import Trainer

PIXELS, NUMBERS = np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.float32)


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine, for `resolve`, one with another unit, or with an operating system that says no."""

    def pretend(unit, error=0):
        monkeypatch.delenv("FASTMLP_AMX", raising=False)
        monkeypatch.setattr(cpu, "bf16_instructions", lambda: unit)
        monkeypatch.setattr(amx, "request_permission", lambda: error)

    return pretend


def taken(precision, X=PIXELS):
    config, reason = resolve(Config(precision=precision), X)
    return config.precision, reason


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_plain_precisions_ask_for_no_unit(machine, precision):
    machine("")
    assert taken(precision) == (precision, "")


@pytest.mark.parametrize("precision", BF16_TERMS)
def test_amx_has_every_precision(machine, precision):
    machine("amx")
    assert taken(precision) == taken(precision, NUMBERS) == (precision, "")


def test_auto_is_bf16x3_for_pixels_on_amx(machine):
    machine("amx")
    assert taken("auto") == ("bf16x3", "precision auto: bf16x3, since this CPU has AMX")
    assert taken("auto", NUMBERS) == (
        "float32",
        "precision auto: float32, since the samples are float32, and not uint8",
    )


def test_avx512_bf16_has_one_term(machine):
    machine("avx512bf16")
    assert taken("bf16") == ("bf16", "")
    assert taken("auto") == ("float32", "precision auto: float32, since this CPU has no AMX")
    for precision in ("bf16x2", "bf16x3"):
        assert taken(precision)[0] == "float32"
        assert "longer" in taken(precision)[1]


@pytest.mark.parametrize("precision", [*BF16_TERMS, "auto"])
def test_a_cpu_without_a_unit_takes_float32(machine, precision):
    machine("")
    assert taken(precision)[0] == "float32"
    assert taken(precision)[1].startswith(f"precision {precision}: float32, since this CPU has no")


@pytest.mark.parametrize("precision", [*BF16_TERMS, "auto"])
def test_a_switch_keeps_the_units_idle(machine, monkeypatch, precision):
    machine("amx")
    monkeypatch.setenv("FASTMLP_AMX", "0")
    assert taken(precision) == ("float32", f"precision {precision}: float32, since FASTMLP_AMX is 0")


def test_what_no_switch_could_mend_is_told_first(monkeypatch):
    monkeypatch.setenv("FASTMLP_AMX", "0")
    for unit, reason in (("", "no bf16 unit"), ("avx512bf16", "no AMX")):
        monkeypatch.setattr(cpu, "bf16_instructions", lambda unit=unit: unit)
        assert reason in taken("bf16x3")[1]


@pytest.mark.parametrize("precision", [*BF16_TERMS, "auto"])
def test_a_refusal_of_the_operating_system_is_told(machine, precision):
    machine("amx", error=28)
    assert taken(precision)[0] == "float32"
    assert "the operating system refuses AMX's registers (No space left on device)" in taken(precision)[1]


def test_another_value_of_the_switch_is_refused(monkeypatch):
    monkeypatch.setenv("FASTMLP_AMX", "yes")
    with pytest.raises(ConfigError, match=r"FASTMLP_AMX is 'yes'; it may be 0, .* 1, or be left unset"):
        resolve(Config(precision="bf16"), PIXELS)


def test_other_systems_than_linux_have_no_permission_to_give(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert os.strerror(request_permission.__wrapped__()) == "Function not implemented"


@pytest.mark.skipif("amx-tile" in cpu.features(), reason="this CPU has AMX")
def test_linux_refuses_the_registers_of_a_unit_that_is_not_there():
    assert request_permission() > 0


@pytest.mark.skipif(
    cpu.bf16_instructions() != "amx" or bool(unavailable_reason()), reason="AMX is not here, or not permitted"
)
def test_the_permission_is_for_threads_and_for_forks():
    assert request_permission() == 0
    request_permission.cache_clear()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(request_permission).result() == 0
    request_permission.cache_clear()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(request_permission) == 0


# training


@pytest.fixture
def pictures():
    random = np.random.default_rng(0)
    X, y = random.integers(0, 256, (300, 64), dtype=np.uint8), random.integers(0, 4, 300)
    return fastmlp.Dataset(X[:256], y[:256], X[256:], y[256:])


CONFIG = Config(hidden=(40,), n_epochs=2, batch_size=32)


def same_weights(one, other):
    return all((a == b).all() for a, b in zip(one.weights, other.weights, strict=True))


@pytest.mark.parametrize("precision", BF16_TERMS)
def test_training_without_the_unit_says_so_and_is_float32s(masked, pictures, precision):
    with pytest.warns(UserWarning, match=f"^precision {precision}: float32, since FASTMLP_AMX is 0$"):
        run = fastmlp.train(pictures, CONFIG.replace(precision=precision))
    plain = fastmlp.train(pictures, CONFIG)
    assert run.config.precision == run.model.config.precision == "float32"
    assert same_weights(run.model, plain.model)


@pytest.mark.parametrize("precision", BF16_TERMS)
def test_training_without_permission_says_so_and_is_float32s(machine, pictures, precision):
    machine("amx", error=28)
    with pytest.warns(UserWarning, match=f"^precision {precision}: float32, since the operating system refuses AMX's"):
        run = fastmlp.train(pictures, CONFIG.replace(precision=precision))
    assert run.config.precision == "float32"
    assert same_weights(run.model, fastmlp.train(pictures, CONFIG).model)


def test_auto_records_what_it_took_without_a_warning(masked, pictures):
    assert fastmlp.train(pictures, CONFIG.replace(precision="auto")).config.precision == "float32"


def test_a_studys_runs_share_the_precision_that_was_taken(masked, pictures, tmp_path):
    config = CONFIG.replace(precision="auto")
    study = fastmlp.sweep(pictures, config, {"l2": [0.0, 0.1]}, n_repeats=1, n_jobs=1, out=tmp_path)
    assert study.config.precision == fastmlp.load_study(tmp_path).config.precision == "float32"
    with pytest.warns(UserWarning, match="float32, since FASTMLP_AMX is 0"):
        again = fastmlp.sweep(pictures, CONFIG.replace(precision="bf16"), {"l2": [0.0, 0.1]}, n_repeats=1, out=tmp_path)
    assert again.records() == study.records()


def test_precisions_that_this_machine_lacks_are_not_compared(masked, pictures):
    for precision in ("bf16x2", "auto"):
        with pytest.raises(ConfigError, match=rf"^precision: given '{precision}'; .* \(precision {precision}: float32"):
            fastmlp.sweep(pictures, CONFIG, {"precision": ["float32", precision]}, n_repeats=1)


def test_a_worker_that_lacks_the_unit_refuses_the_run(masked, pictures):
    task = make_plan(CONFIG.replace(precision="bf16"), [{}], 1).tasks()[0]
    with pytest.raises(WorkerError, match=r"precision cannot be had on .*FASTMLP_AMX is 0; leave that worker out"):
        execute(task, pictures)


def test_warming_up_a_unit_that_is_masked_is_refused(masked):
    with pytest.raises(ConfigError, match="precision bf16: FASTMLP_AMX is 0"):
        fastmlp.warmup("bf16")


def test_warming_up_auto_is_refused():
    with pytest.raises(
        ConfigError, match=r"precision: 'auto' must be resolved first, by fastmlp\.training\.precision\.resolve"
    ):
        fastmlp.warmup("auto")


def test_a_trainer_that_was_not_settled_is_refused_before_any_kernel(masked, pictures):
    model = fastmlp.init_model(CONFIG.replace(precision="bf16"), 64, 4)
    with pytest.raises(ConfigError, match="precision bf16: FASTMLP_AMX is 0"):
        Trainer(model, pictures.X_train, pictures.y_train)


needs_bf16 = pytest.mark.skipif(bool(unavailable_reason()), reason=f"training on a bf16 unit: {unavailable_reason()}")


@needs_bf16
def test_training_on_a_unit_is_near_float32_and_records_its_precision(pictures):
    run, plain = fastmlp.train(pictures, CONFIG.replace(precision="bf16")), fastmlp.train(pictures, CONFIG)
    assert run.config.precision == "bf16"
    assert not same_weights(run.model, plain.model)
    assert run.history["train_loss"] == pytest.approx(plain.history["train_loss"], rel=1e-3)


@needs_bf16
def test_no_result_depends_on_n_jobs(pictures):
    config = CONFIG.replace(precision="bf16")
    one, two = (fastmlp.repeat(pictures, config, n_repeats=4, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert [r["weights_sha256"] for r in one.records()] == [r["weights_sha256"] for r in two.records()]


@needs_bf16
def test_a_network_goes_on_in_another_precision_of_the_same_weights(pictures):
    begun = fastmlp.train(pictures, CONFIG).model
    assert fastmlp.train(pictures, CONFIG.replace(precision="bf16"), begun).model.config.precision == "bf16"
    with pytest.raises(ConfigError, match="precision: given 'float64'; the model to go on from has weights of float32"):
        fastmlp.train(pictures, CONFIG.replace(precision="float64"), begun)


@needs_bf16
def test_predictions_are_float32s_whatever_trained_the_network(pictures, monkeypatch):
    model = fastmlp.train(pictures, CONFIG.replace(precision="bf16")).model
    probs = model.predict_proba(pictures.X_test)
    monkeypatch.setenv("FASTMLP_AMX", "0")
    model.config = model.config.replace(precision="float32")
    np.testing.assert_array_equal(model.predict_proba(pictures.X_test), probs)


@needs_bf16
def test_a_run_that_was_broken_off_goes_on_to_the_same_bits(pictures, tmp_path):
    config = CONFIG.replace(precision="bf16", n_epochs=4)

    def stop(progress):
        if progress.row is not None and progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fastmlp.train(pictures, config, progress=stop, checkpoint=tmp_path)
    run = fastmlp.train(pictures, config, checkpoint=tmp_path)
    assert same_weights(run.model, fastmlp.train(pictures, config).model)


def test_every_precision_has_a_type_of_weights():
    assert [dtype_of(precision) for precision in ("auto", *BF16_TERMS, "float64")] == ["float32"] * 4 + ["float64"]
