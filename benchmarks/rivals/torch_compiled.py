"""PyTorch with a whole step compiled: gather, forward, backward by `torch.func.grad`, and the update, in one graph.

Microseconds per step of 64-32-10 (of the paper's network): 107 (1320); with only the loss compiled and PyTorch's fused
optimizer outside the graph 315 (1770); eager 370 to 430 (1500 to 1650). `max-autotune` and the C++ wrapper gave no
reproducible gain.

A prediction is compiled ahead of time by AOTInductor, with frozen weights and the fastest of its kernels. Microseconds
for one sample of 64-100-100-10 (5,000 of 784-128-10), on a Zen 5: 12 (5080); without the search for the fastest kernels
51 (5160); by `torch.compile` 35 (11200), with frozen weights 35 (11300), and with that search 26 (11600), or its C++
wrapper 32 (11900). Ahead of time, oneDNN computes the products, with AVX-512 on AMD's CPUs too; otherwise MKL does.
"""

import os
import tempfile
from functools import partial
from time import perf_counter

from benchmarks.rivals import torch_eager

label = "PyTorch, compiled"
version = torch_eager.version


def train(workload, ready, report, precision="highest"):
    import torch

    X, y = torch_eager.prepare(workload, precision)
    params = _params(workload)
    moments = [torch.zeros_like(p) for p in (*params, *params)]
    step = torch.compile(partial(_step, workload.case.optimizer), dynamic=False, fullgraph=True)
    rates = _rates(workload.case, workload.n_epochs * workload.case.n_steps)
    ready(_compile(workload, step, X, y, params, moments, rates[0]))
    for epoch, order in enumerate(workload.orders):
        batches = torch.from_numpy(order).long().split(workload.case.batch_size)
        epoch_rates = rates[epoch * len(batches) : (epoch + 1) * len(batches)]
        start = perf_counter()
        with torch.no_grad():
            for batch, rate in zip(batches, epoch_rates, strict=True):
                step(X, y, batch, params, moments, rate)
        elapsed = perf_counter() - start
        arrays = [p.numpy() for p in params]
        report(elapsed, workload.loss(arrays[::2], arrays[1::2]))


def predictor(workload):
    import torch

    torch_eager.set_up(workload, "highest")
    network = torch.nn.Sequential(torch_eager.modules_of(workload)[1], torch.nn.Softmax(dim=1)).eval()
    samples = torch.from_numpy(workload.calls[0])
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        program = torch.export.export(network, (samples,))
        path = torch._inductor.aoti_compile_and_package(
            program,
            package_path=os.path.join(folder, "network.pt2"),
            inductor_configs={"freezing": True, "max_autotune": True},
        )
        compiled = torch._inductor.aoti_load_package(path)

    @torch.inference_mode()
    def predict(X):
        return compiled(torch.from_numpy(X)).numpy()

    return predict


def _params(workload):
    import torch

    pairs = zip(workload.weights, workload.biases, strict=True)
    return [torch.from_numpy(array.copy()) for pair in pairs for array in pair]


def _rates(case, n_steps):
    """One tensor per step: SGD's learning rate, or Adam's learning rate and eps including the bias corrections."""
    import torch

    if case.optimizer == "sgd":
        return [torch.tensor([case.learning_rate])] * n_steps
    t = torch.arange(1, n_steps + 1, dtype=torch.float64)
    correction = (1 - 0.999**t).sqrt()
    rates = case.learning_rate * correction / (1 - 0.9**t)
    return torch.stack([rates, 1e-8 * correction], dim=1).float().unbind()


def _loss(params, x, labels):
    import torch

    for W, b in zip(params[:-2:2], params[1:-2:2], strict=True):
        x = torch.sigmoid(torch.addmm(b, x, W))
    return torch.nn.functional.cross_entropy(torch.addmm(params[-1], x, params[-2]), labels)


def _step(optimizer, X, y, batch, params, moments, rate):
    import torch

    gradients = torch.func.grad(_loss)(params, X.index_select(0, batch), y.index_select(0, batch))
    n = len(params)
    for p, g, m, v in zip(params, gradients, moments[:n], moments[n:], strict=True):
        if optimizer == "sgd":
            p.sub_(g * rate[0])
        else:
            m.mul_(0.9).add_(g, alpha=0.1)
            v.mul_(0.999).addcmul_(g, g, value=0.001)
            p.sub_(rate[0] * m / (v.sqrt() + rate[1]))


def _compile(workload, step, X, y, params, moments, rate):
    """Compile the step for both batch sizes and return the seconds; parameters and moments are restored."""
    import torch

    saved = [p.clone() for p in params]
    start = perf_counter()
    with torch.no_grad():
        for batch in {len(batch): batch for batch in workload.batches(workload.orders[0])}.values():
            step(X, y, torch.from_numpy(batch).long(), params, moments, rate)
        elapsed = perf_counter() - start
        for p, q in zip(params, saved, strict=True):
            p.copy_(q)
        for m in moments:
            m.zero_()
    return elapsed
