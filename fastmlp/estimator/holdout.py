"""The validation set that early stopping holds out of the training samples, as scikit-learn does."""

import numpy as np
from sklearn.model_selection import train_test_split

from fastmlp.errors import DataError
from fastmlp.estimator.loop import Samples

#: scikit-learn's messages name the two classes so.
CLASS_NAMES = np.array(["False", "True"])


def hold_out(
    samples: Samples, fraction: float, is_stratified: bool, random_state: np.random.RandomState
) -> tuple[Samples, Samples]:
    """Divide samples into a training set and a validation set; the same as scikit-learn's estimators do.

    Parameters
    ----------
    samples : Samples
        All samples.
    fraction : float
        Share of the validation set.
    is_stratified : bool
        Whether both sets have the same share of the two classes, which are the targets 0 and 1.
    random_state : numpy.random.RandomState
        Source of the random order.

    Returns
    -------
    training, validation : Samples
        The two sets.

    Raises
    ------
    ValueError
        If the validation set has less than two samples, or a class has only one.
    DataError
        If all weights of a set are 0.

    Examples
    --------
    >>> samples = Samples(np.eye(20), np.zeros((20, 1)), None)
    >>> training, validation = hold_out(samples, 0.1, False, np.random.RandomState(0))
    >>> len(training.y), len(validation.y)
    (18, 2)
    """
    train, validation = train_test_split(
        np.arange(samples.X.shape[0]),
        random_state=random_state,
        test_size=fraction,
        stratify=CLASS_NAMES[samples.y] if is_stratified else None,
    )
    if len(validation) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    parts = samples.part(train), samples.part(validation)
    if any(part.weights is not None and part.weights.max() == 0 for part in parts):
        raise DataError(
            "sample_weight: expected a positive weight in both the training set and the held-out validation set, "
            "got 0 for all samples of one of them; give X_val and y_val"
        )
    return parts
