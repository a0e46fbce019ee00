"""Assign generated values to the public attributes of a Dataset, a Model, its Params and an estimator, change arrays in
place, and use the result: each assignment ends in an error or in a correct result.

The attributes are found by introspection. Each case is printed before it runs, so that the last line names the one that
ends the process. It exits with 1 if a case fails.
"""

import contextlib
import copy
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import fastmlp
from fastmlp import Config, Dataset, FastMLPError
from fastmlp.model.model import Model, init_model
from fastmlp.model.params import Params, Views
from fastmlp.reference.network import Network

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 5))
TARGETS = {
    "classification": (np.arange(30) % 3, "cross_entropy"),
    "multilabel": (RNG.integers(0, 2, (30, 3)), "binary_cross_entropy"),
    "regression": (RNG.standard_normal((30, 3)), "squared_error"),
}
CLEAR = (FastMLPError, AttributeError)
#: Values that hardly any attribute accepts.
VALUES = (
    None, "x", "", b"x", True, -1, 0, 1, 3, 10**9, 10**30, 0.5, np.nan, np.inf, 1j, (), [], {}, object(), len,
    (1, 2, 3), ["a", "b", "c"], ("a", 1, None), [[1], [2, 3]], np.ones(3), np.zeros(0), np.ones((2, 2, 2)),
    np.array(1.0), np.array(["a", "b", "c"]), np.array([None] * 3), np.ma.masked_array(np.ones(5), mask=True),
)  # fmt: skip


def public_attributes(thing: Any) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_") and not callable(getattr(thing, name))]


def misaligned(array: Any) -> Any:
    return np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)


def variants(value: Any) -> Iterator[Any]:
    """Values like a given one, but of other lengths, dtypes, strides, byte orders, ranges or sizes."""
    if isinstance(value, np.ndarray):
        yield from (value[:-1], value[:0], value[::2], value[::-1], value.T, value[None], value.tolist(), value.ravel())
        yield from (np.concatenate([value] * 9), np.repeat(value, 2, axis=-1)[..., ::2], np.asfortranarray(value))
        yield from (value.astype(dtype) for dtype in ("u1", "i4", "i8", "f4", "f8", "c16", "O", "U", "S"))
        yield from (value.astype(value.dtype.newbyteorder()), misaligned(value), value.copy())
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield from (np.full(value.shape, number) for number in (-1.0, 2.0**40, 1e300, np.nan, np.inf))
    elif isinstance(value, Config):
        yield from (value.replace(loss=loss) for _, loss in TARGETS.values())
        yield from (value.replace(**change) for change in ({"hidden": ()}, {"hidden": (5,)}, {"hidden": (4, 4)}))
        yield from (
            value.replace(**change) for change in ({"precision": "float64"}, {"activation": "relu"}, {"seed": 9})
        )
    elif isinstance(value, Params):
        yield from (Params(sizes, "float32") for sizes in ((5, 4, 3), (5, 4, 2), (4, 4, 3), (5, 3), (5, 900, 3)))
        yield Params((5, 4, 3), "float64")
    elif isinstance(value, Model):
        for sizes, precision in (((5, (4,), 2), "float32"), ((50, (4,), 3), "float32"), ((5, (900,), 3), "float64")):
            yield init_model(Config(hidden=sizes[1], precision=precision), sizes[0], sizes[2])
    elif isinstance(value, tuple | list | Views):
        items = list(value)
        yield from (items, items[:-1], items * 2, items[::-1], [None, *items[1:]])
        for item in variants(items[0]) if items else ():
            yield (item, *items[1:])
        for item in variants(items[-1]) if items else ():
            yield type(value)([*items[:-1], item]) if type(value) in (tuple, list) else [*items[:-1], item]
    elif isinstance(value, str):
        yield from (value + "x", *TARGETS)
    elif isinstance(value, int):
        yield from (value - 1, value + 1, -value, float(value), str(value), np.int64(value), value * 1000)


def arrays_of(value: Any) -> list[Any]:
    if isinstance(value, np.ndarray):
        return [value]
    return [item for item in value if isinstance(item, np.ndarray)] if isinstance(value, tuple | list | Views) else []


def change_shape(array: Any) -> None:
    array.shape = (array.shape[-1], -1) if array.ndim == 2 else (-1, 1)


def change_strides(array: Any) -> None:
    array.strides = (0,) * array.ndim


def change_dtype(array: Any) -> None:
    array.dtype = np.dtype(f"V{array.itemsize}")


def change_byte_order(array: Any) -> None:
    array.dtype = array.dtype.newbyteorder()


def make_read_only(array: Any) -> None:
    array.flags.writeable = False


def change_size(array: Any) -> None:
    array.resize(3)


IN_PLACE = change_shape, change_strides, change_dtype, change_byte_order, make_read_only, change_size


def described(value: Any) -> str:
    return f"{type(value).__name__} {getattr(value, 'shape', '')} {value!r:.80}".replace("\n", " ")


def changes(thing: Any, name: str) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Changes of an attribute, and a text for each."""
    value = getattr(thing, name)
    for other in (*VALUES, *variants(value)):
        yield f"= {described(other)}", lambda target, other=other: setattr(target, name, other)
    yield "deleted", lambda target: delattr(target, name)
    if isinstance(value, Views):
        for other in (*VALUES, *variants(value[0])):
            yield f"[0] = {described(other)}", lambda target, other=other: getattr(target, name).__setitem__(0, other)
            yield (
                f"[:1] = {described(other)}",
                lambda target, other=other: getattr(target, name).__setitem__(np.s_[:1], other),
            )
    for index in range(len(arrays_of(value))):
        for change in IN_PLACE:
            text = f"array {index}, {change.__name__} in place"
            yield text, lambda target, i=index, change=change: change(arrays_of(getattr(target, name))[i])


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, tuple | list | Views):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, Params):
        return a.sizes == b.sizes and equal(a.theta, b.theta)
    return bool(a == b) or (a != a and b != b)  # NaN


class Report:
    """Runs cases and counts those that end in another error or in a wrong result."""

    def __init__(self) -> None:
        self.n_cases, self.n_accepted, self.failures = 0, 0, []

    def case(self, text: str, change: Callable[[], Any], use: Callable[[bool], None], errors: Any) -> None:
        """A change that is accepted, or raises one of some errors; then the use is correct, or raises one of them."""
        self.n_cases += 1
        print(text, flush=True)
        is_refused = False
        try:
            change()
        except errors:
            is_refused = True
        except ValueError as error:  # by NumPy, for a change in place that its array does not allow
            is_refused = "in place" in text
            if not is_refused:
                self.failures.append(f"{text}: {error!r}")
        except Exception as error:
            self.failures.append(f"{text}: {error!r}")
        try:
            use(is_refused)
            self.n_accepted += not is_refused
        except errors as error:
            if is_refused:
                self.failures.append(f"{text}: was refused, but then {error!r}")
        except Exception:
            self.failures.append(f"{text}: {traceback.format_exc(limit=-3)}")


def make_dataset(task: str) -> Dataset:
    y, _ = TARGETS[task]
    names = ("a", "b", "c") if task == "classification" else None
    more: Any = {"weight_train": np.arange(1.0, 31.0), "X_val": X[:9], "y_val": y[:9], "class_names": names}
    return Dataset(X.copy(), y, X[:7], y[:7], name="small", task=task, **more)


def config_for(task: str) -> Config:
    return Config(hidden=(4,), loss=TARGETS[task][1], n_epochs=1, batch_size=8)


def check_datasets(report: Report) -> None:
    """A Dataset refuses each assignment, and trains as before."""
    for task in TARGETS:
        template, config = make_dataset(task), config_for(task)
        ref = fastmlp.train(template, config).model.params.theta
        for name in public_attributes(template):
            for text, change in changes(template, name):
                dataset = copy.deepcopy(template)
                use = partial(check_dataset, dataset, template, config, ref)
                report.case(f"Dataset, {task}: {name} {text}", partial(change, dataset), use, CLEAR)


def check_dataset(dataset: Dataset, template: Dataset, config: Config, ref: Any, is_refused: bool) -> None:
    assert all(equal(getattr(dataset, name), getattr(template, name)) for name in public_attributes(template))
    if is_refused:
        assert dataset.checksum() == template.checksum()
    else:
        assert equal(fastmlp.train(dataset, config).model.params.theta, ref)


def check_models(report: Report, folder: Path) -> None:
    """Model and Params refuse an assignment and predict as before, or use it."""
    for task in TARGETS:
        dataset = make_dataset(task)
        template = fastmlp.train(dataset, config_for(task)).model
        outputs = template.forward_validated(X)[0]
        for part, owner in (("Model", template), ("Params", template.params))[: 2 if task == "classification" else 1]:
            for name in public_attributes(owner):
                for text, change in changes(owner, name):
                    model = copy.deepcopy(template)
                    target = model if part == "Model" else model.params
                    use = partial(check_model, model, dataset, outputs, folder)
                    report.case(f"{part}, {task}: {name} {text}", partial(change, target), use, CLEAR)


def check_model(model: Model, dataset: Dataset, outputs_before: Any, folder: Path, is_refused: bool) -> None:
    """What a model predicts is what its attributes say, before and after it is saved, and it can be trained."""
    if is_refused:
        assert equal(model.forward_validated(X)[0], outputs_before)
        return
    is_labels = model.task == "classification" and model.n_outputs > 1
    y = np.zeros(7, np.int32) if is_labels else np.zeros((7, model.n_outputs))
    scaling: Any = model.scaling or (np.ones(5), np.zeros(5))
    outputs, _ = Network(model.config, model.weights, model.biases).predict(X[:7], y, scaling)
    assert equal(model.forward_validated(X[:7])[0], outputs)
    assert len(model.predict(X[:7])) == 7
    assert repr(model)
    if model.task == dataset.task:
        assert np.isfinite(model.evaluate(dataset.X_test, dataset.y_test)).all()
        fastmlp.train(dataset, model.config.replace(n_epochs=1, batch_size=8), model)
    model.save(folder / "model.npz")
    try:
        loaded = fastmlp.load_model(folder / "model.npz")
    except Exception as error:
        raise AssertionError("saved, but cannot be loaded") from error
    for other in (loaded, model.copy(), copy.deepcopy(model)):
        assert all(equal(getattr(other, name), getattr(model, name)) for name in public_attributes(model))


def check_estimators(report: Report) -> None:
    """An estimator whose fitted attributes are replaced raises an error or predicts, and does not end the process."""
    options: Any = {"max_iter": 1, "batch_size": 8, "warm_start": True, "random_state": 0}
    classifier = fastmlp.MLPClassifier((4,), **options)
    regressor = fastmlp.MLPRegressor(hidden_layer_sizes=(4,), **options)
    for template, task in ((classifier, "classification"), (regressor, "regression")):
        template.fit(X, TARGETS[task][0])
        for name in (name for name in public_attributes(template) if name.endswith("_")):
            for text, change in changes(template, name):
                estimator = copy.deepcopy(template)
                use = partial(use_estimator, estimator, TARGETS[task][0])
                title = f"{type(template).__name__}: {name} {text}"
                report.case(title, partial(change, estimator), use, Exception)


def use_estimator(estimator: Any, y: Any, is_refused: bool) -> None:
    for name, arguments in (("predict", (X,)), ("score", (X, y)), ("partial_fit", (X, y)), ("fit", (X, y))):
        with contextlib.suppress(Exception):
            getattr(estimator, name)(*arguments)


def main() -> int:
    report = Report()
    warnings.simplefilter("ignore")
    check_datasets(report)
    with tempfile.TemporaryDirectory() as folder:
        check_models(report, Path(folder))
    check_estimators(report)
    print("\n".join(report.failures), file=sys.stderr)
    print(f"{report.n_cases} cases, {report.n_accepted} accepted, {len(report.failures)} failures")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
