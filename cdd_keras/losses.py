"""Losses as pure functions, one value an example; weighting and reducing happen in the model."""

import tensorflow as tf


def _mean_over_features(values):
    return tf.reduce_mean(values, axis=list(range(1, values.shape.rank)))


def absolute_error(expected, actual):
    """Mean absolute difference of each example.

    Args:
        expected: float32 (batch, ...).
        actual: float32, same shape.

    Returns:
        float32 (batch,), zero where the two are equal.
    """
    return _mean_over_features(tf.abs(expected - actual))


def squared_error(expected, actual):
    """Mean squared difference of each example; the shapes are those of `absolute_error`."""
    return _mean_over_features(tf.square(expected - actual))


def kl_divergence(mean, log_var):
    """KL(N(mean, exp(log_var)) || N(0, I)) of each example, summed over the code.

    Kingma and Welling, "Auto-Encoding Variational Bayes" (2014), appendix B.

    Args:
        mean: float32 (batch, ...).
        log_var: float32, same shape.

    Returns:
        float32 (batch,), in nats, zero where mean = log_var = 0.
    """
    axes = list(range(1, mean.shape.rank))
    return 0.5 * tf.reduce_sum(tf.square(mean) + tf.exp(log_var) - 1.0 - log_var, axis=axes)


def cross_entropy(labels, logits):
    """-log P(label) of each example.

    Args:
        labels: int32 (batch,), class indices.
        logits: float32 (batch, classes), not normalised.

    Returns:
        float32 (batch,), in nats.
    """
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def information_cost(log_probabilities, log_excess):
    """What information maximisation charges a reading: sum_k p_k (log_excess_k - log p_k).

    Args:
        log_probabilities: float32 (batch, classes).
        log_excess: float32 (classes,), logarithm of how much too often each class is read; taken
            as given, since the derivative of sum_k m_k log(m_k / q_k) for a mean reading m is
            that of the cost with log(m / q) held.

    Returns:
        float32 (batch,), in nats: the entropy where nothing is read too often.
    """
    excess = tf.stop_gradient(log_excess)
    return tf.reduce_sum(tf.exp(log_probabilities) * (excess - log_probabilities), -1)


def least_squares_realness(logits, goal):
    """(logits - goal)^2, the LSGAN cost of each example (Mao et al., ICCV 2017, eq. 9).

    Args:
        logits: float32 (batch,), one realness output an example.
        goal: 1.0 for "real", 0.0 for "generated".

    Returns:
        float32 (batch,).
    """
    return tf.square(logits - goal)


def logistic_realness(logits, goal):
    """The GAN value of Goodfellow et al. (2014) as a cost, in its non-saturating form.

    Args:
        logits: float32 (batch,).
        goal: 1.0 for "real", 0.0 for "generated".

    Returns:
        float32 (batch,), -log sigmoid(logits) for goal 1, -log(1 - sigmoid(logits)) for goal 0.
    """
    return tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(tf.shape(logits), goal), logits)


def gradient_penalty(gradient):
    """Half the squared norm of each example's input gradient: R1 of Mescheder et al. (ICML 2018).

    Args:
        gradient: float32 (batch, ...), d realness / d image.

    Returns:
        float32 (batch,).
    """
    return 0.5 * tf.reduce_sum(tf.square(gradient), axis=list(range(1, gradient.shape.rank)))
