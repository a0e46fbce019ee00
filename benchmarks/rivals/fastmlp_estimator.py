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
    estimator.coefs_, estimator.intercepts_ = workload.weights, workload.biases
    return estimator.predict_proba
