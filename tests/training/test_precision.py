"""The precision of a run depends on the CPU, the environment variable, the operating system and the data."""

import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import csr_array

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

UINT8, FLOAT32 = np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.float32)


@pytest.fixture
def machine(monkeypatch):
    """Simulate a machine with other bf16 instructions, or an operating system that refuses the permission."""

    def simulate(instructions, error=0):
        monkeypatch.delenv("FASTMLP_AMX", raising=False)
        monkeypatch.setattr(cpu, "bf16_instructions", lambda: instructions)
        monkeypatch.setattr(amx, "request_permission", lambda: error)

    return simulate


def resolved(precision, X=UINT8):
    config, reason = resolve(Config(precision=precision), X)
    return config.precision, reason


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_float32_and_float64_need_no_bf16_instructions(machine, precision):
    machine("")
    assert resolved(precision) == (precision, "")


@pytest.mark.parametrize("precision", BF16_TERMS)
def test_amx_supports_every_bf16_precision(machine, precision):
    machine("amx")
    assert resolved(precision) == resolved(precision, FLOAT32) == (precision, "")


def test_auto_is_float32_for_sparse_samples(machine):
    machine("amx")
    assert resolved("auto", csr_array(UINT8)) == (
        "float32",
        "precision auto: float32, since the samples are sparse",
    )
    assert resolved("bf16x3", csr_array(UINT8)) == ("bf16x3", "")


def test_auto_is_bf16x3_for_uint8_samples_on_amx(machine):
    machine("amx")
    assert resolved("auto") == ("bf16x3", "precision auto: bf16x3, since this CPU has AMX")
    assert resolved("auto", FLOAT32) == (
        "float32",
        "precision auto: float32, since the samples are float32, and not uint8",
    )


def test_avx512_bf16_supports_one_term(machine):
    machine("avx512bf16")
    assert resolved("bf16") == ("bf16", "")
    assert resolved("auto") == ("float32", "precision auto: float32, since this CPU has no AMX")
    for precision in ("bf16x2", "bf16x3"):
        assert resolved(precision)[0] == "float32"
        assert resolved(precision)[1].endswith(f"{precision} is slower than float32 with AVX512-BF16")


@pytest.mark.parametrize("precision", [*BF16_TERMS, "auto"])
def test_a_cpu_without_bf16_instructions_uses_float32(machine, precision):
    machine("")
    assert resolved(precision)[0] == "float32"
    assert resolved(precision)[1].startswith(f"precision {precision}: float32, since this CPU has no")


@pytest.mark.parametrize("precision", [*BF16_TERMS, "auto"])
def test_an_environment_variable_disables_the_bf16_instructions(machine, monkeypatch, precision):
    machine("amx")
    monkeypatch.setenv("FASTMLP_AMX", "0")
    assert resolved(precision) == ("float32", f"precision {precision}: float32, since FASTMLP_AMX is 0")


def test_missing_instructions_are_reported_before_the_environment_variable(monkeypatch):
    monkeypatch.setenv("FASTMLP_AMX", "0")
    for instructions, reason in (("", "no bf16 instructions"), ("avx512bf16", "no AMX")):
        monkeypatch.setattr(cpu, "bf16_instructions", lambda instructions=instructions: instructions)
        assert reason in resolved("bf16x3")[1]


@pytest.mark.parametrize("precision", [*BF16_TERMS, "auto"])
def test_a_refusal_by_the_operating_system_is_reported(machine, precision):
    machine("amx", error=28)
    assert resolved(precision)[0] == "float32"
    assert "the operating system refuses AMX's registers (No space left on device)" in resolved(precision)[1]


def test_another_value_of_the_environment_variable_is_refused(monkeypatch):
    monkeypatch.setenv("FASTMLP_AMX", "yes")
    with pytest.raises(ConfigError, match=r"FASTMLP_AMX: expected 0, .* 1, or no value, got 'yes'"):
        resolve(Config(precision="bf16"), UINT8)


def test_the_permission_is_not_implemented_on_other_systems_than_linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert os.strerror(request_permission.__wrapped__()) == "Function not implemented"


@pytest.mark.skipif("amx-tile" in cpu.features(), reason="this CPU has AMX")
def test_linux_refuses_the_permission_without_amx():
    assert request_permission() > 0


@pytest.mark.skipif(
    cpu.bf16_instructions() != "amx" or bool(unavailable_reason()), reason="AMX is missing, or its use is not permitted"
)
def test_threads_and_forked_processes_have_the_permission():
    assert request_permission() == 0
    request_permission.cache_clear()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(request_permission).result() == 0
    request_permission.cache_clear()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(request_permission) == 0


# training


@pytest.fixture
def pixels():
    random = np.random.default_rng(0)
    X, y = random.integers(0, 256, (300, 64), dtype=np.uint8), random.integers(0, 4, 300)
    return fastmlp.Dataset(X[:256], y[:256], X[256:], y[256:])


CONFIG = Config(hidden=(40,), n_epochs=2, batch_size=32)


def same_weights(one, other):
    return all((a == b).all() for a, b in zip(one.weights, other.weights, strict=True))


@pytest.mark.parametrize("precision", BF16_TERMS)
def test_training_with_the_instructions_disabled_warns_and_uses_float32(amx_disabled, pixels, precision):
    with pytest.warns(UserWarning, match=f"^precision {precision}: float32, since FASTMLP_AMX is 0$"):
        run = fastmlp.train(pixels, CONFIG.replace(precision=precision))
    ref = fastmlp.train(pixels, CONFIG)
    assert run.config.precision == run.model.config.precision == "float32"
    assert same_weights(run.model, ref.model)


@pytest.mark.parametrize("precision", BF16_TERMS)
def test_training_without_permission_warns_and_uses_float32(machine, pixels, precision):
    machine("amx", error=28)
    with pytest.warns(UserWarning, match=f"^precision {precision}: float32, since the operating system refuses AMX's"):
        run = fastmlp.train(pixels, CONFIG.replace(precision=precision))
    assert run.config.precision == "float32"
    assert same_weights(run.model, fastmlp.train(pixels, CONFIG).model)


def test_auto_is_recorded_as_resolved_without_a_warning(amx_disabled, pixels):
    assert fastmlp.train(pixels, CONFIG.replace(precision="auto")).config.precision == "float32"


def test_all_runs_of_a_study_have_the_resolved_precision(amx_disabled, pixels, tmp_path):
    config = CONFIG.replace(precision="auto")
    study = fastmlp.sweep(pixels, config, {"l2": [0.0, 0.1]}, n_repeats=1, n_jobs=1, out=tmp_path)
    assert study.config.precision == fastmlp.load_study(tmp_path).config.precision == "float32"
    with pytest.warns(UserWarning, match="float32, since FASTMLP_AMX is 0"):
        again = fastmlp.sweep(pixels, CONFIG.replace(precision="bf16"), {"l2": [0.0, 0.1]}, n_repeats=1, out=tmp_path)
    assert again.records() == study.records()


def test_a_sweep_over_unavailable_precisions_is_refused(amx_disabled, pixels):
    for precision in ("bf16x2", "auto"):
        with pytest.raises(
            ConfigError, match=rf"^precision: expected only .*, got '{precision}' \(precision {precision}: float32"
        ):
            fastmlp.sweep(pixels, CONFIG, {"precision": ["float32", precision]}, n_repeats=1)


def test_a_worker_without_the_instructions_refuses_the_run(amx_disabled, pixels):
    task = make_plan(CONFIG.replace(precision="bf16"), [{}], 1).run_specs()[0]
    with pytest.raises(
        WorkerError, match=r"precision of the study is not available on .*FASTMLP_AMX is 0; remove that worker"
    ):
        execute(task, pixels)


def test_warmup_with_the_instructions_disabled_is_refused(amx_disabled):
    with pytest.raises(ConfigError, match="precision bf16: FASTMLP_AMX is 0"):
        fastmlp.warmup("bf16")


def test_warmup_for_auto_is_refused():
    with pytest.raises(
        ConfigError, match=r"precision: 'auto' must be resolved first, by fastmlp\.training\.precision\.resolve"
    ):
        fastmlp.warmup("auto")


def test_a_trainer_with_an_unavailable_precision_is_refused(amx_disabled, pixels):
    model = fastmlp.init_model(CONFIG.replace(precision="bf16"), 64, 4)
    with pytest.raises(ConfigError, match="precision bf16: FASTMLP_AMX is 0"):
        Trainer(model, pixels.X_train, pixels.y_train)


needs_bf16 = pytest.mark.skipif(bool(unavailable_reason()), reason=f"training in bf16: {unavailable_reason()}")


@needs_bf16
def test_training_in_bf16_is_close_to_float32_and_records_its_precision(pixels):
    run, ref = fastmlp.train(pixels, CONFIG.replace(precision="bf16")), fastmlp.train(pixels, CONFIG)
    assert run.config.precision == "bf16"
    assert not same_weights(run.model, ref.model)
    assert run.history["train_loss"] == pytest.approx(ref.history["train_loss"], rel=1e-3)


@needs_bf16
def test_no_result_depends_on_n_jobs(pixels):
    config = CONFIG.replace(precision="bf16")
    one, two = (fastmlp.repeat(pixels, config, n_repeats=4, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert [r["weights_sha256"] for r in one.records()] == [r["weights_sha256"] for r in two.records()]


@needs_bf16
def test_training_continues_in_another_precision_of_the_same_dtype(pixels):
    model = fastmlp.train(pixels, CONFIG).model
    assert fastmlp.train(pixels, CONFIG.replace(precision="bf16"), model).model.config.precision == "bf16"
    with pytest.raises(
        ConfigError, match="precision: expected one with float32 weights for the given model, got 'float64'"
    ):
        fastmlp.train(pixels, CONFIG.replace(precision="float64"), model)


@needs_bf16
def test_predictions_are_computed_in_float32_after_training_in_bf16(pixels, monkeypatch):
    model = fastmlp.train(pixels, CONFIG.replace(precision="bf16")).model
    probs = model.predict_proba(pixels.X_test)
    monkeypatch.setenv("FASTMLP_AMX", "0")
    model.config = model.config.replace(precision="float32")
    np.testing.assert_array_equal(model.predict_proba(pixels.X_test), probs)


@needs_bf16
def test_an_interrupted_run_resumes_to_the_same_bits(pixels, tmp_path):
    config = CONFIG.replace(precision="bf16", n_epochs=4)

    def stop(progress):
        if progress.row is not None and progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fastmlp.train(pixels, config, progress=stop, checkpoint=tmp_path)
    run = fastmlp.train(pixels, config, checkpoint=tmp_path)
    assert same_weights(run.model, fastmlp.train(pixels, config).model)


def test_every_precision_has_a_dtype():
    assert [dtype_of(precision) for precision in ("auto", *BF16_TERMS, "float64")] == ["float32"] * 4 + ["float64"]
