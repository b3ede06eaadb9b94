"""A classifier that brings the target's features into the source's subspace."""

import numpy as np
import tensorflow as tf
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from cdd_keras.domains import DOMAINS, SOURCE
from cdd_keras.networks.classifier import Classifier

DIMENSIONS = 40


class AlignedClassifier(Classifier):
    """Reads the source by its head, and the target in the two domains' aligned subspaces.

    Fernando et al., "Unsupervised Visual Domain Adaptation Using Subspace Alignment" (ICCV 2013),
    equation 3 and algorithm 1: with X_S, X_T the principal directions of the features, source
    features are seen as x X_S X_S' X_T and target features as x X_T; a linear classifier is
    trained on the former and reads the latter.

    Args:
        config, classes: as for `Classifier`.
    """

    def __init__(self, config, classes, **kwargs):
        super().__init__(config, classes, private=False, **kwargs)
        rank = min(DIMENSIONS, self.length)
        self.mean = self._fitted("mean", self.length)
        self.directions = self._fitted("directions", self.length, rank)
        self.kernel = self._fitted("kernel", rank, classes)
        self.bias = self._fitted("bias", classes)

    def _fitted(self, name, *shape):
        # In float32 whatever the convolutions compute in.
        return self.add_weight(
            name=name, shape=shape, initializer="zeros", trainable=False, autocast=False
        )

    def call(self, images, domain, training=False, draws=None):
        features = self.features(images, domain, training, draws)
        if domain == SOURCE:
            return self.read(features, draws)
        seen = (tf.cast(features, tf.float32) - self.mean) @ self.directions
        return seen @ self.kernel + self.bias

    def align(self, images, labels):
        """Fits the subspaces and the classifier in them.

        Args:
            images: {domain: float32 (count, size, size, 3) in [-1, 1]}.
            labels: int (count,), of the source images.
        """
        features = {d: self.features(images[d], d).numpy().astype("float64") for d in DOMAINS}
        rank = min(self.kernel.shape[0], *(len(one) for one in features.values()))
        source, target = (PCA(rank).fit(features[domain]) for domain in DOMAINS)
        alignment = source.components_ @ target.components_.T
        # The class frequencies are left out, as in the losses of the classifiers that are trained.
        linear = LogisticRegression(max_iter=1000, class_weight="balanced")
        linear.fit(source.transform(features[SOURCE]) @ alignment, labels)
        kernel, bias = _for_each_class(linear, self.bias.shape[0])
        # Fewer images than dimensions leave the rest of them unused.
        unused = (0, self.kernel.shape[0] - rank)
        self.mean.assign(target.mean_)
        self.directions.assign(np.pad(target.components_.T, ((0, 0), unused)))
        self.kernel.assign(np.pad(kernel, (unused, (0, 0))))
        self.bias.assign(bias)

    def copy_alignment(self, other):
        """Takes another's subspaces and the classifier in them."""
        for name in ("mean", "directions", "kernel", "bias"):
            getattr(self, name).assign(getattr(other, name))


def _for_each_class(linear, classes):
    """Weights with a column a class, those that no label has shown at a very low logit."""
    weights, offsets = linear.coef_, linear.intercept_
    if len(linear.classes_) == 2:
        # scikit-learn keeps the log odds of the second of two.
        weights, offsets = np.concatenate([0 * weights, weights]), np.append(0 * offsets, offsets)
    kernel, bias = np.zeros((weights.shape[1], classes)), np.full(classes, -30.0)
    kernel[:, linear.classes_], bias[linear.classes_] = weights.T, offsets
    return kernel, bias
