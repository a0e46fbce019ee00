"""Ways in and out of a trained network: a module a format, each an extra of its own.

Modules here take a network by its parts (see `fastmlp.model.parts`), and know nothing of how it predicts. Only
`fastmlp.export.from_sklearn` makes one.
"""
