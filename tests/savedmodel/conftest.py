import pytest


@pytest.fixture(scope="session")
def classifier(exported):
    """The signatures of the classifier."""
    return load(exported[1] / "cdd_classifier" / "1")


@pytest.fixture(scope="session")
def generator(exported):
    """The signatures of the generator."""
    return load(exported[1] / "cdd_generator" / "1")


def load(folder):
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    # A signature does not keep its model alive.
    model.signatures["serving_default"].model = model
    return model.signatures
