"""Cross-domain disentanglement in Keras 3 on TensorFlow.

Importing the package does not import TensorFlow: names are resolved on first use.
"""

from importlib import import_module

__version__ = "0.1.0"

_PUBLIC = {
    "Config": "cdd_keras.config",
    "CrossDomainModel": "cdd_keras.model",
    "load_pair": "cdd_keras.data",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str):
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
