"""Image sets of two domains: where they come from, how they are paired and fed.

Names are resolved on first use, so that the light parts stay free of TensorFlow.
"""

from importlib import import_module

_PUBLIC = {
    "SPLITS": "sets",
    "Attribute": "attributes",
    "Collection": "sets",
    "DomainPair": "sets",
    "ImageSet": "sets",
    "Preprocessing": "preprocessing",
    "find_images": "images",
    "load_pair": "pairs",
    "preprocessing_for": "preprocessing",
    "read_image": "images",
    "simulate_sketch": "sketch",
    "to_float": "preprocessing",
    "to_uint8": "preprocessing",
    "training_batches": "pipeline",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str):
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
