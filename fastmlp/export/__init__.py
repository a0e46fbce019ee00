"""Import and export of networks: one module per format, each of which needs its own optional package.

The modules read the parameters, scaling and config of a `fastmlp.Model`; only `fastmlp.export.from_sklearn` makes one.
"""
