"""Callbacks: functions called after an epoch, and scikit-learn's own protocol where its version has one.

Knows nothing of what an epoch is.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

from fastmlp.errors import ConfigError

Function = Callable[[Any], Any]
#: scikit-learn before 1.9 has no callbacks.
HAS_CALLBACKS = importlib.util.find_spec("sklearn.callback") is not None
CallbackSupport: Any = (
    importlib.import_module("sklearn.callback").CallbackSupportMixin if HAS_CALLBACKS else type("NoCallbacks", (), {})
)


def functions_of(callbacks: Any) -> list[Function]:
    """The functions that an estimator's parameter `callbacks` holds; a ConfigError where one of them is none."""
    if callbacks is None:
        return []
    functions = [callbacks] if callable(callbacks) else list(callbacks)
    for function in functions:
        if not callable(function):
            raise ConfigError(f"callbacks: expected functions; scikit-learn's go to set_callbacks, got {function!r}")
    return functions


class Hooks:
    """What is called at the beginning and end of a fit and of each of its epochs.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Told to every callback.
    functions : list of callable
        Called with it after every epoch.
    X, y, sample_weight : object
        As they were given.
    with_protocol : bool
        Whether scikit-learn's callbacks are called too.
    """

    def __init__(
        self, estimator: Any, functions: list[Function], X: Any, y: Any, sample_weight: Any, with_protocol: bool
    ) -> None:
        self.estimator, self.functions = estimator, functions
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.told = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.fit: Any = None
        self.epoch: Any = None
        if with_protocol and hasattr(estimator, "_init_callback_context"):
            self.fit = estimator._init_callback_context(max_subtasks=estimator.max_iter)
            self.fit.call_on_fit_task_begin(**self.told)

    def begin_epoch(self) -> None:
        """Tell scikit-learn's callbacks that an epoch begins."""
        if self.fit is not None and hasattr(self.estimator, "_skl_callbacks"):
            self.epoch = self.fit.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(**self.told, reconstruction_attributes=self._twin)

    def end_epoch(self) -> bool:
        """Tell all callbacks that an epoch has ended; gives whether one of them wants no more."""
        wants_end = False
        for function in self.functions:
            wants_end |= bool(function(self.estimator))
        if self.epoch is not None:
            wants_end |= self.epoch.call_on_fit_task_end(**self.told, reconstruction_attributes=self._twin)
        return wants_end

    def end_fit(self) -> None:
        """Tell scikit-learn's callbacks that the fit has ended."""
        if self.fit is not None:
            self.fit.call_on_fit_task_end(**self.told, reconstruction_attributes={})

    def _twin(self) -> dict[str, Any]:
        """What makes a copy of the estimator one that stays as it is now."""
        return {"model_": self.estimator.model_.copy()}
