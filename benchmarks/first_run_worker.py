"""Worker process of the first run: ``python -m benchmarks.first_run_worker PROGRAM FOLDER``, workload in the folder.

It writes a line of JSON when the library is imported, when it has trained one epoch, and when it has predicted one
sample; each time, it waits for a line on standard input. Its programs import nothing but what they measure: not even
NumPy before the library.
"""

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: Yields the library's version, None after the training, and the predicted probabilities of the first sample. The
#: workload is read by a function, after the library is imported.
Program = Callable[[Callable[[], Any]], Iterator[Any]]


def fastmlp(load: Callable[[], Any]) -> Iterator[Any]:
    """fastmlp's `train`, in float32."""
    import fastmlp

    yield fastmlp.__file__
    workload = load()
    case, X, y = workload.case, workload.inputs, workload.y
    dataset = fastmlp.Dataset(X, y, X[:16], y[:16], scale="none")
    config = fastmlp.Config(
        hidden=case.sizes[1:-1], batch_size=case.batch_size, learning_rate=case.learning_rate, n_epochs=1
    )
    model = fastmlp.train(dataset, config).model
    yield None
    yield model.predict_proba(X[:1])


def estimator(load: Callable[[], Any]) -> Iterator[Any]:
    """fastmlp's estimator, in float64 with its default solver, Adam, and activation, ReLU."""
    import fastmlp

    estimator_class = fastmlp.MLPClassifier
    yield fastmlp.__file__
    yield from _fit(estimator_class, load(), "float64")


def sklearn(load: Callable[[], Any]) -> Iterator[Any]:
    """scikit-learn's estimator with its default solver, Adam, and activation, ReLU, in float32."""
    from sklearn.neural_network import MLPClassifier

    yield ""
    yield from _fit(MLPClassifier, load(), "float32")


def _fit(estimator_class: Any, workload: Any, dtype: str) -> Iterator[Any]:
    case, X = workload.case, workload.inputs.astype(dtype, copy=False)
    model = estimator_class(hidden_layer_sizes=case.sizes[1:-1], batch_size=case.batch_size, max_iter=1)
    model.fit(X, workload.y)
    yield None
    yield model.predict_proba(X[:1])


def jax(load: Callable[[], Any]) -> Iterator[Any]:
    """An epoch and a prediction, each compiled as in `benchmarks.rivals.jax_scan`, with XLA's default flags."""
    import jax

    yield jax.__file__
    from benchmarks.rivals import jax_scan

    workload = load()
    jax_scan.train_without_flags(workload, _ignore, _ignore)
    yield None
    yield jax_scan.predictor_without_flags(workload)(workload.inputs[:1])


def torch(load: Callable[[], Any]) -> Iterator[Any]:
    """PyTorch, eager, as in `benchmarks.rivals.torch_eager`."""
    import torch

    yield torch.__file__
    from benchmarks.rivals import torch_eager

    workload = load()
    torch_eager.train(workload, _ignore, _ignore)
    yield None
    yield torch_eager.predictor(workload)(workload.inputs[:1])


def torch_compiled(load: Callable[[], Any]) -> Iterator[Any]:
    """PyTorch with a compiled step, as in `benchmarks.rivals.torch_compiled`, and a network that is compiled.

    That rival's predictions are compiled ahead of time after a search for the fastest kernels, which takes longer.
    """
    import torch

    yield torch.__file__
    from benchmarks.rivals import torch_compiled, torch_eager

    workload = load()
    torch_compiled.train(workload, _ignore, _ignore)
    yield None
    predict = torch.compile(torch.nn.Sequential(torch_eager.modules_of(workload)[1], torch.nn.Softmax(dim=1)))
    with torch.inference_mode():
        yield predict(torch.from_numpy(workload.inputs[:1])).numpy()


def _ignore(*_: Any) -> None: ...


PROGRAMS: dict[str, Program] = {
    program.__name__: program for program in (fastmlp, estimator, sklearn, jax, torch, torch_compiled)
}


def main(name: str, folder: str) -> None:
    """Run a program, and answer after each of its parts."""
    # What a library prints, such as warnings of its first compilation, goes to standard error.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    for result in PROGRAMS[name](lambda: _load(folder)):
        print(
            json.dumps(result if result is None or isinstance(result, str) else result.tolist()), file=out, flush=True
        )
        if not sys.stdin.readline():
            return


def _load(folder: str) -> Any:
    from benchmarks.case import Workload

    return Workload.load(Path(folder))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
