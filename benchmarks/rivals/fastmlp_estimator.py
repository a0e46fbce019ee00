"""fastmlp's estimator for scikit-learn, which predicts with the same kernels as `fastmlp.Model`."""

from benchmarks.rivals import fastmlp_float32

label = "fastmlp, estimator"
version = fastmlp_float32.version


def predictor(workload):
    import warnings

    import numpy as np

    import fastmlp

    case = workload.case
    settings = {"activation": "logistic", "solver": "sgd", "max_iter": 1, "batch_size": case.sizes[-1]}
    estimator = fastmlp.MLPClassifier(hidden_layer_sizes=case.sizes[1:-1], **settings)
    X = np.zeros((case.sizes[-1], case.sizes[0]), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        estimator.fit(X, np.arange(len(X)))
    if workload.n_threads > 1:  # "auto" is 1 on one core, and takes less of the time for one sample
        estimator.n_threads = workload.n_threads
    estimator.coefs_, estimator.intercepts_ = workload.weights, workload.biases
    return estimator.predict_proba
