"""Code generation for this machine: the kernel decorator, CPU features, and LLVM intrinsics."""
