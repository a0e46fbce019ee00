"""Estimators with the interface of scikit-learn: `MLPClassifier` and `MLPRegressor`.

scikit-learn is an optional dependency, so this package is imported only when one of them is used. `base` has the common
part of a fit, `loop` its epochs and stopping rule, `config_mapping` the translation of parameters to a `Config`.
"""

from fastmlp.estimator.classifier import MLPClassifier as MLPClassifier
from fastmlp.estimator.regressor import MLPRegressor as MLPRegressor
