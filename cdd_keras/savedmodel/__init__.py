"""A trained run as SavedModels, the way a TF Serving client calls them.

`decoding` reads image bytes, `endpoints` are the signatures, `card` and `warmup` lie beside them,
`parity` compares a SavedModel with its run, and `publish` puts a version in place.
"""

from cdd_keras.savedmodel.publish import export_run

__all__ = ["export_run"]
