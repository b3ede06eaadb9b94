"""Subspace alignment, a classical reference: `source_only`, read in aligned subspaces.

Fernando et al. (ICCV 2013). Nothing is trained for the target: the principal directions of its
features are fitted at each evaluation.
"""

from cdd_keras.methods.source_only import prior, recipe
from cdd_keras.networks import AlignedClassifier

__all__ = ["fit_at_rest", "networks", "prior", "recipe"]


def networks(config, classes):
    """`source_only`'s classifier, with subspaces."""
    return {"classifier": AlignedClassifier(config, classes)}


def fit_at_rest(model, images, labels):
    """Fits the subspaces to the averaged network's features."""
    aligned = model.averaged["classifier"]
    aligned.align(images, labels)
    # What the average follows must not pull it away.
    model.networks["classifier"].copy_alignment(aligned)
