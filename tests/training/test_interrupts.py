"""Ctrl-C: in an interactive shell the run ends at its last finished epoch; in a script KeyboardInterrupt is raised."""

import sys

import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.notebook import shell
from fastmlp.training import early_stopping, loop
from fastmlp.training.loop import train

CONFIG = Config(hidden=(7, 6), n_epochs=6, batch_size=16)
#: The third and the fifth epoch are no improvement.
EARLY_STOPPING = CONFIG.replace(early_stopping="loss", learning_rate=5.0, patience=6, seed=1)


@pytest.fixture
def interactive(monkeypatch):
    """A shell with a prompt; interrupts may follow each other at once."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    monkeypatch.setattr(shell, "REPEATED_S", 0.0)


def results(run):
    """Results of a run, without the seconds."""
    history = {name: values for name, values in run.history.to_dict().items() if not name.endswith("_s")}
    return run.model.params.theta.tobytes(), run.model.n_epochs, history


def interrupted_at(epoch, n_seen):
    def progress(report):
        if (report.epoch, report.n_seen) >= (epoch, n_seen):
            raise KeyboardInterrupt

    return progress


@pytest.fixture
def short_chunks(monkeypatch):
    """Chunks of one step."""
    monkeypatch.setattr("fastmlp.training.thread_trials.CHUNK_S", 1e-12)


@pytest.mark.parametrize(("epoch", "n_seen", "n_finished"), [(2, 16, 1), (4, 64, 3), (4, 120, 4), (6, 16, 5)])
def test_the_run_ends_at_its_last_finished_epoch(epoch, n_seen, n_finished, blobs, interactive, short_chunks):
    with pytest.warns(UserWarning, match=rf"^Training interrupted by user: {n_finished} of 6 epochs") as caught:
        run = train(blobs, CONFIG, progress=interrupted_at(epoch, n_seen))
    assert caught[0].filename == __file__
    assert results(run) == results(train(blobs, CONFIG.replace(n_epochs=n_finished)))
    assert run.config == CONFIG


def test_an_interrupt_in_the_first_epoch_is_raised(blobs, interactive, short_chunks):
    with pytest.raises(KeyboardInterrupt):
        train(blobs, CONFIG, progress=interrupted_at(1, 16))


def test_in_a_script_an_interrupt_is_raised(blobs, short_chunks):
    with pytest.raises(KeyboardInterrupt):
        train(blobs, CONFIG, progress=interrupted_at(3, 16))


def test_a_loop_of_trainings_ends_with_the_second_interrupt(blobs, interactive, monkeypatch):
    monkeypatch.setattr(shell, "REPEATED_S", 60.0)
    monkeypatch.setattr(shell, "_answered_at", -60.0)
    with pytest.warns(UserWarning, match="interrupted by user"):
        train(blobs, CONFIG, progress=interrupted_at(3, 16))
    with pytest.raises(KeyboardInterrupt):
        train(blobs, CONFIG, progress=interrupted_at(3, 16))


def test_the_returned_run_can_be_continued(blobs, interactive, short_chunks):
    with pytest.warns(UserWarning, match="interrupted by user"):
        run = train(blobs, CONFIG, progress=interrupted_at(3, 48))
    more = train(blobs, CONFIG.replace(n_epochs=4), run.model)
    assert results(more)[:2] == results(train(blobs, CONFIG))[:2]


def test_with_a_checkpoint_the_same_call_resumes_within_the_epoch(blobs, interactive, short_chunks, tmp_path):
    with pytest.warns(UserWarning, match="interrupted by user"):
        part = train(blobs, CONFIG, progress=interrupted_at(3, 48), checkpoint=tmp_path)
    assert len(part.history) == 2
    reports = []
    run = train(blobs, CONFIG, progress=reports.append, checkpoint=tmp_path)
    assert (reports[0].epoch, reports[0].n_seen) == (3, 64)
    assert results(run) == results(train(blobs, CONFIG))


def test_a_network_on_standardised_targets_predicts_the_targets(make_blobs, interactive):
    blobs = make_blobs()
    data = fastmlp.Dataset(blobs.X_train, 1e3 * blobs.X_train[:, 0] + 5e4, blobs.X_test, 1e3 * blobs.X_test[:, 0] + 5e4,
                           task="regression")  # fmt: skip
    config = CONFIG.replace(loss="squared_error", activation="tanh", learning_rate=0.05)
    with pytest.warns(UserWarning, match="interrupted by user"):
        run = train(data, config, progress=interrupted_at(4, 1))
    assert run.model.evaluate(data.X_test, data.y_test).loss == pytest.approx(run.history["test_loss"][-1], rel=1e-5)


FILES = {loop.__file__, early_stopping.__file__}


class Interrupter:
    """A trace function that raises KeyboardInterrupt before a line of the training loop, counted from 1."""

    def __init__(self, n):
        self.n_left = n

    def __call__(self, frame, event, _):
        if frame.f_code.co_filename not in FILES or frame.f_code.co_name in ("train", "end_at_last_epoch"):
            return None
        if event == "line":
            self.n_left -= 1
            if self.n_left == 0:
                raise KeyboardInterrupt
        return self


@pytest.mark.filterwarnings("ignore:Training interrupted by user")
def test_an_interrupt_before_any_line_gives_a_run_as_of_that_many_epochs(blobs, interactive):
    """Also where the monitor of early stopping has not seen the last epoch yet."""
    expected = [results(train(blobs, EARLY_STOPPING.replace(n_epochs=n))) for n in range(1, 7)]
    assert len({theta for theta, _, _ in expected}) == 4  # the best is not always the last
    n, n_returned, previous = 0, 0, sys.gettrace()
    while True:
        n += 1
        interrupter = Interrupter(n)
        sys.settrace(interrupter)
        try:
            run = train(blobs, EARLY_STOPPING)
        except KeyboardInterrupt:
            continue
        finally:
            sys.settrace(previous)
        assert results(run) == expected[len(run.history) - 1]
        if interrupter.n_left > 0:
            break
        n_returned += 1
    assert n_returned > 100


def test_a_study_returns_its_finished_runs(blobs, interactive):
    def interrupt(progress):
        if progress.n_done == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match=r"^Study interrupted by user: \d+ of 20 runs are finished") as caught:
        study = fastmlp.repeat(blobs, CONFIG, 20, n_jobs=1, progress=interrupt)
    assert caught[0].filename == __file__
    assert 2 <= len(study.records()) < 20
    whole = {record["repeat"]: record["weights_sha256"] for record in fastmlp.repeat(blobs, CONFIG, 20).records()}
    assert all(whole[record["repeat"]] == record["weights_sha256"] for record in study.records())


def test_a_study_in_this_thread_has_no_run_that_was_interrupted(blobs, interactive, monkeypatch):
    """joblib executes runs in the calling thread where it is to use one process."""
    pytest.importorskip("joblib")
    n_left, run_epoch = [8], loop.TrainingLoop.run_epoch

    def interrupted(*args):
        n_left[0] -= 1
        if n_left[0] == 0:
            raise KeyboardInterrupt
        return run_epoch(*args)

    monkeypatch.setattr(loop.TrainingLoop, "run_epoch", interrupted)
    with pytest.warns(UserWarning, match="Study interrupted by user: 1 of 3"):
        study = fastmlp.repeat(blobs, CONFIG, 3, n_jobs=1, backend="processes")
    assert [len(record["history"]["epoch"]) for record in study.records()] == [6]


def test_a_study_without_a_finished_run_is_raised(blobs, interactive):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(fastmlp.study.Interrupted, match=r"^0 of 20 runs"):
        fastmlp.repeat(blobs, CONFIG, 20, n_jobs=1, progress=interrupt)
