"""Image sets of two domains: where they come from, how they are paired and fed.

Names are resolved on first use, so that the light parts stay free of TensorFlow.
"""

from cdd_keras.lazy import resolver

_PUBLIC = {
    "SPLITS": ".sets",
    "Attribute": ".attributes",
    "Collection": ".sets",
    "DomainPair": ".sets",
    "ImageSet": ".sets",
    "Preprocessing": ".preprocessing",
    "find_images": ".images",
    "load_pair": ".pairs",
    "preprocessing_for": ".preprocessing",
    "read_image": ".images",
    "simulate_sketch": ".sketch",
    "to_float": ".preprocessing",
    "to_uint8": ".preprocessing",
    "training_batches": ".pipeline",
}
__all__ = list(_PUBLIC)
__getattr__ = resolver(__name__, _PUBLIC)
