"""The engine room: jitted functions that take arrays and numbers, allocate nothing, check nothing.

The contract
------------
Layouts. Everything is row-major, and rows begin on a cache line. Those of weights, activations and deltas are an odd
number of lines long (`cpu.row_stride`); those of the scratch that is gone through whole are not.

- Weights of a layer: ``W (fan_out, stride)``, one row an output, so the W of the equations is ``W[:, :fan_in].T``. The
  elements from fan_in on are zero and stay zero. The biases ``b (fan_out,)`` follow the last row.
- ``theta``: all layers' W and b, one after another. Adam's ``m`` and ``v`` are laid out alike.
- Activations and deltas: one row a neuron, one column a sample, ``A (fan_out, stride)``. So both the forward and the
  backward product run their vectors along the batch, broadcast the weights, and need no transposed copy of them.
  Columns from the batch's end to the end of its last vector hold copies of the last sample, with deltas of zero.
- Only the weight gradient wants samples as rows, its vectors running along the inputs: ``At (batch, stride)``.
- Operands of the bf16 units lie in tiles of their own (`unit`, `packing`).

Measured against weights stored (fan_in, fan_out padded to whole vectors), the paper's layer of 100 outputs wastes no
lane: 3072 inputs and 64 samples are whole vectors, 100 outputs are not, and the padding was a ninth of the work.

Sums. Each is one chain of fused multiply-adds in index order (`matmul`), whatever the tile, panel, or width of a
vector; on a bf16 unit two chains for each 32 steps (`unit`).

Arguments run: inputs, parameters, outputs, scratch, integers. Outputs are overwritten unless the name begins with
`add_`. A matrix inside the engine is a tuple (pointer, row stride, column stride), made by `matmul.matrix`.
"""
