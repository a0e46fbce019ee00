"""How fast fastmlp is: beside its rivals, from commit to commit, kernel by kernel. Knows kernels only in `suites`."""
