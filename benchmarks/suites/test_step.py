"""Training steps of the six networks, without the training loop around them."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.case import CASES, config_of, load_data
from benchmarks.validate import check_training
from fastmlp import init_model
from fastmlp.model.kernel_args import initial_powers
from fastmlp.training.trainer import Trainer

#: Work of one round: a tenth of a second or less.
WORK = 1e10


@pytest.mark.benchmark(group="step")
@pytest.mark.parametrize("name", CASES)
def test_steps(measure, benchmark, name):
    case = CASES[name]
    check_training(case)
    n_steps = max(5, min(case.n_steps, int(WORK / case.flops * case.n_steps)))
    case = replace(case, n_samples=n_steps * case.batch_size)
    X, y, _ = load_data(case)
    model = init_model(config_of(case, 1), case.sizes[0], case.sizes[-1])
    trainer = Trainer(model, X, np.asarray(y, np.int32))
    start = model.params.theta.copy()

    def reset():
        model.params.theta[:] = start
        model.n_epochs = 0
        trainer.powers[:] = initial_powers()
        for moments in (trainer.arrays.m, trainer.arrays.v):
            moments[:] = 0

    measure(lambda: trainer.run_epoch(case.learning_rate), setup=reset, flops=case.flops)
    if benchmark.stats is not None:
        benchmark.extra_info["us_per_step"] = benchmark.stats.stats.min / n_steps * 1e6
