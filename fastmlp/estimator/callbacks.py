"""Callbacks of an estimator: functions called after each epoch, and scikit-learn's callback protocol, if available."""

import importlib.util
from collections.abc import Callable
from typing import Any

from fastmlp.errors import ConfigError

Callback = Callable[[Any], Any]
#: scikit-learn has callbacks since version 1.9.
HAS_CALLBACKS = importlib.util.find_spec("sklearn.callback") is not None
CallbackSupport: Any = (
    importlib.import_module("sklearn.callback").CallbackSupportMixin if HAS_CALLBACKS else type("NoCallbacks", (), {})
)


def check_callbacks(callbacks: Any) -> list[Callback]:
    """The estimator parameter `callbacks` as a list; `ConfigError` if an entry cannot be called."""
    if callbacks is None:
        return []
    functions = [callbacks] if callable(callbacks) else list(callbacks)
    for function in functions:
        if not callable(function):
            raise ConfigError(
                f"callbacks: expected functions, got {function!r}; pass scikit-learn's callbacks to set_callbacks"
            )
    return functions


class CallbackRunner:
    """Calls the callbacks at the beginning and end of a fit and of each epoch.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Passed to every callback.
    functions : list of callable
        Called with the estimator after each epoch.
    X, y, sample_weight : object
        The arguments of `fit`, passed to scikit-learn's callbacks.
    with_protocol : bool
        Whether scikit-learn's callbacks are called too.
    """

    def __init__(
        self, estimator: Any, functions: list[Callback], X: Any, y: Any, sample_weight: Any, with_protocol: bool
    ) -> None:
        self.estimator, self.functions = estimator, functions
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.arguments = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.fit_context: Any = None
        self.epoch_context: Any = None
        if with_protocol and hasattr(estimator, "_init_callback_context"):
            self.fit_context = estimator._init_callback_context(max_subtasks=estimator.max_iter)
            self.fit_context.call_on_fit_task_begin(**self.arguments)

    def begin_epoch(self) -> None:
        """Call scikit-learn's callbacks at the beginning of an epoch."""
        if self.fit_context is not None and hasattr(self.estimator, "_skl_callbacks"):
            self.epoch_context = self.fit_context.subcontext(task_name="epoch")
            self.epoch_context.call_on_fit_task_begin(
                **self.arguments, reconstruction_attributes=self._reconstruction_attributes
            )

    def end_epoch(self) -> bool:
        """Call all callbacks at the end of an epoch; return whether one of them requests the end of training."""
        is_end = False
        for function in self.functions:
            is_end |= bool(function(self.estimator))
        if self.epoch_context is not None:
            is_end |= self.epoch_context.call_on_fit_task_end(
                **self.arguments, reconstruction_attributes=self._reconstruction_attributes
            )
        return is_end

    def end_fit(self) -> None:
        """Call scikit-learn's callbacks at the end of the fit."""
        if self.fit_context is not None:
            self.fit_context.call_on_fit_task_end(**self.arguments, reconstruction_attributes={})

    def _reconstruction_attributes(self) -> dict[str, Any]:
        """The attributes that turn a copy of the estimator into a fitted one with the current weights."""
        return {"model_": self.estimator.model_.copy()}
