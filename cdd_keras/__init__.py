"""Cross-domain disentanglement in Keras 3 on TensorFlow.

Importing the package does not import TensorFlow: names are resolved on first use.
"""

from cdd_keras.lazy import resolver

__version__ = "0.1.0"

_PUBLIC = {
    "Config": ".config",
    "CrossDomainModel": ".model",
    "load_pair": ".data",
}
__all__ = ["__version__", *_PUBLIC]
__getattr__ = resolver(__name__, _PUBLIC)
