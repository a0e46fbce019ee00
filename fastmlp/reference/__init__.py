"""Reference implementations of the kernels in plain NumPy, equations numbered as in the paper.

Each function equals the kernel of the same name in `fastmlp.kernels` bit for bit, in float32 and float64, so that
kernels are tested for equality, without a tolerance. Samples are rows, W is (fan_in, fan_out). These modules import no
kernel, and have no tiles, panels or padding.

- A sum is one chain of fused multiply-adds in index order (`fastmlp.reference.products.product`).
- Exponential, logarithm and reciprocal are composed of the same operations as in the kernels, not taken from a library.
- Subnormal operands and results are zero, with their sign. Kernels set their thread's CPU to that; here
  `fastmlp.reference.arithmetic` does it. Whether a result is subnormal is decided after rounding, as on x86; Arm
  decides before, so that a value less than half a unit below the smallest normal number is zero there.
- After an overflow both have the same infinities, and NaN in the same places; a NaN's sign and its other bits may
  differ.
"""
