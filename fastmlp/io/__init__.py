"""Reading and writing files: bounded readers, NumPy and safetensors formats, atomic writes, locks, user directories."""
