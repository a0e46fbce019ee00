"""File input and output: bounded reading, NumPy and safetensors formats, atomic writes, locks, user directories."""
