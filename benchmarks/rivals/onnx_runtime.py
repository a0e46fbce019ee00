"""ONNX Runtime, with fastmlp's own export as its graph; it only predicts.

Microseconds per call of 64-100-100-10 (784-128-10), on one thread of a Zen 5: one sample by `run` 4.8 (7.2), by `run`
with an IOBinding made for each call 9.2 (12.1), with one IOBinding whose buffers are filled and read at each call 3.5
(5.9). 5,000 samples by `run` 1150 (4910), with the buffers, which are copied, 1170 (5360). A graph of Gemm, as ONNX
Runtime makes of the export's MatMul and Add, subnormal numbers flushed, or no memory arena make no difference above the
noise.
"""

import os
import tempfile
from importlib.metadata import version as version_of

import numpy as np

label = "ONNX Runtime"


def version():
    return f"onnxruntime {version_of('onnxruntime')}"


def predictor(workload):
    import onnxruntime

    from benchmarks.case import model_of

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = workload.n_threads
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        model_of(workload).to_onnx(path, input_type="float32")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    if workload.case.batch_size > 1:
        return lambda X: session.run(["probabilities"], {"X": X})[0]
    binding = session.io_binding()
    inputs = np.empty((1, workload.case.sizes[0]), np.float32)
    outputs = np.empty((1, workload.case.sizes[-1]), np.float32)
    binding.bind_input("X", "cpu", 0, np.float32, inputs.shape, inputs.ctypes.data)
    binding.bind_output("probabilities", "cpu", 0, np.float32, outputs.shape, outputs.ctypes.data)

    def predict(X):
        inputs[...] = X
        session.run_with_iobinding(binding)
        return outputs

    return predict
