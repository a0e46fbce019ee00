"""Predictions by `fastmlp.Model` and by the estimator: one sample, and 5,000 samples per call."""

import pytest

from benchmarks import rivals
from benchmarks.case import make_workload
from benchmarks.suite import SUITES

CASES = [(suite, name) for suite in ("predict-1", "predict-n") for name in SUITES[suite].cases]


@pytest.mark.benchmark(group="predict")
@pytest.mark.parametrize("rival", [rivals.OURS, "fastmlp_estimator"])
@pytest.mark.parametrize(("suite", "name"), CASES)
def test_predictions(measure, benchmark, suite, name, rival):
    case = SUITES[suite].cases[name]
    workload, _ = make_workload(case, n_epochs=1)
    predict = rivals.load(rival).predictor(workload)
    workload.check_predictions(predict)
    calls = workload.calls

    def run():
        for X in calls:
            predict(X)

    measure(run, flops=case.prediction_flops)
    if benchmark.stats is not None:
        benchmark.extra_info["us_per_call"] = benchmark.stats.stats.min / len(calls) * 1e6
