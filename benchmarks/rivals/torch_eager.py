"""PyTorch, eager: batches gathered by index from one tensor, a fused optimizer, subnormal numbers flushed.

Indexing in place of `index_select`, gradients set to zero in place of None, and optimizers that are not fused were not
faster (Adam that is not fused: twice the time).

A prediction is written as functions. Microseconds for one sample of 64-100-100-10 (784-128-10), on a Zen 5: 9.8 (11.7);
by modules 20 (19), by TorchScript, frozen and optimised for inference, 10.6 (13.3). 5,000 samples: all within 11 %.
MKL, which computes the products, uses AVX2 on AMD's CPUs, whatever MKL_ENABLE_INSTRUCTIONS is: 108 GFLOP/s on Zen 5.
"""

from itertools import pairwise
from time import perf_counter

label = "PyTorch"


def version():
    import torch

    return f"torch {torch.__version__}"


def train(workload, ready, report, precision="highest"):
    import torch

    X, y = prepare(workload, precision)
    layers, network = modules_of(workload)
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[workload.case.optimizer]
    optimizer = kind(network.parameters(), lr=workload.case.learning_rate, fused=True)
    ready(0.0)
    for order in workload.orders:
        batches = torch.from_numpy(order).long().split(workload.case.batch_size)
        start = perf_counter()
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            logits = network(X.index_select(0, batch))
            torch.nn.functional.cross_entropy(logits, y.index_select(0, batch)).backward()
            optimizer.step()
        elapsed = perf_counter() - start
        weights = [layer.weight.detach().numpy().T for layer in layers]
        report(elapsed, workload.loss(weights, [layer.bias.detach().numpy() for layer in layers]))


def modules_of(workload):
    """The dense layers, and the network of them up to its logits."""
    import torch

    layers = [torch.nn.Linear(*fans) for fans in pairwise(workload.case.sizes)]
    for layer, W, b in zip(layers, workload.weights, workload.biases, strict=True):
        layer.weight.data = torch.from_numpy(W.T.copy())
        layer.bias.data = torch.from_numpy(b.copy())
    hidden = [part for layer in layers[:-1] for part in (layer, torch.nn.Sigmoid())]
    return layers, torch.nn.Sequential(*hidden, layers[-1])


def prepare(workload, precision):
    """Set PyTorch up; return samples and labels as tensors."""
    import torch

    set_up(workload, precision)
    return torch.from_numpy(workload.inputs), torch.from_numpy(workload.y).long()


def set_up(workload, precision):
    """Set PyTorch's threads, flush mode and precision."""
    import torch

    torch.set_num_threads(workload.n_threads)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision(precision)


def predictor(workload):
    import torch

    set_up(workload, "highest")
    *hidden, (W_last, b_last) = [
        (torch.from_numpy(W), torch.from_numpy(b)) for W, b in zip(workload.weights, workload.biases, strict=True)
    ]

    @torch.inference_mode()
    def predict(X):
        x = torch.from_numpy(X)
        for W, b in hidden:
            x = torch.addmm(b, x, W).sigmoid_()
        return torch.softmax(torch.addmm(b_last, x, W_last), 1).numpy()

    return predict
