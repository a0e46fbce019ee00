"""Jitted kernels: they take arrays and numbers, allocate nothing and check nothing.

Layouts
-------
Matrices are row-major, and rows begin on a cache line. Rows of weights, activations and deltas are an odd number of
cache lines long (`fastmlp.codegen.cpu.row_stride`); scratch that is only read in sequence is packed densely.

- Weights of a layer: ``W (fan_out, stride)``, one row per output, so the W of the equations is ``W[:, :fan_in].T``. The
  elements from fan_in on are zero and stay zero. The biases ``b (fan_out,)`` follow the last row.
- ``theta``: W and b of all layers, one after another. Moment estimates ``m`` and ``v`` are laid out alike.
- Activations and deltas: one row per unit, one column per sample, ``A (fan_out, stride)``. Both the forward and the
  backward product then run their vectors along the batch and broadcast the weights: neither needs a transposed copy of
  the weights. Columns from the end of the batch to the end of its last vector hold copies of the last sample, with
  deltas of zero.
- Only the weight gradient needs samples as rows, with vectors along the inputs: ``At (batch, stride)``.
- Operands of bf16 products are packed in tiles (`bf16_matmul`, `bf16_pack`).

In the paper's first layer no lane is wasted, since 64 samples and 3072 inputs are whole vectors. With weights stored as
(fan_in, fan_out), the 100 outputs had to be padded to whole vectors, and the padding was a ninth of the work.

Sums
----
Each sum is one chain of fused multiply-adds in index order (`matmul`), whatever the tile, the panel or the width of a
vector; in bf16 products two chains per 32 steps (`bf16_matmul`).

Arguments
---------
Inputs, parameters, outputs, workspace, integers, in this order. Outputs are overwritten unless the kernel's name begins
with ``add_``. `layout` describes the named tuples and tables that kernels share. docs/kernels.md has the contract with
figures.
"""
