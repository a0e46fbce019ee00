"""The scikit-learn estimators. Imported when one of them is asked for: scikit-learn is an extra."""

from fastmlp.estimator.classifier import MLPClassifier as MLPClassifier
from fastmlp.estimator.regressor import MLPRegressor as MLPRegressor
