import numpy as np
import pytest
import tensorflow as tf
from tiny import BATCH, config, floats

from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.networks import Encoder, FeatureEncoder, code_shape
from cdd_keras.networks.encoder import START_LOG_VAR


def build(**settings):
    encoder = Encoder(config(**settings))
    encoder.build()
    return encoder


@pytest.fixture(scope="module")
def encoder():
    return build()


@pytest.mark.parametrize(
    ("settings", "shape"),
    [({}, (4, 4, 4)), ({"image_size": 20}, (5, 5, 4)), ({"code_shape": "flat"}, (4,))],
)
def test_posteriors_have_the_codes_shape(settings, shape):
    size = settings.get("image_size", 16)
    mean, log_var = build(**settings)(tf.zeros((2, size, size, 3)), domain=TARGET)
    assert mean.shape == log_var.shape == (2, *shape)
    assert code_shape(config(**settings)) == shape


def test_the_posterior_starts_narrow(encoder):
    _, log_var = encoder(tf.zeros((BATCH, 16, 16, 3)), domain=SOURCE)
    np.testing.assert_allclose(log_var, START_LOG_VAR)


def test_log_variance_is_bounded(encoder):
    _, log_var = encoder(1e4 * floats(), domain=SOURCE)
    assert np.all((log_var >= -8) & (log_var <= 4))


def test_domains_share_the_trunk_alone(encoder):
    source, target = (encoder.features.stems[domain] for domain in DOMAINS)
    assert source is not target
    before = encoder(floats(), domain=TARGET)[0]
    original = source.get_weights()
    source.set_weights([2 * weight + 1 for weight in original])
    np.testing.assert_array_equal(encoder(floats(), domain=TARGET)[0], before)
    source.set_weights(original)


def test_images_do_not_depend_on_their_batch(encoder):
    together = encoder(floats(), domain=SOURCE)[0]
    alone = encoder(floats()[:1], domain=SOURCE)[0]
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)


def test_every_weight_takes_part(encoder):
    with tf.GradientTape() as tape:
        outputs = [encoder(floats(), domain=domain) for domain in DOMAINS]
        loss = sum(tf.reduce_sum(part**2) for output in outputs for part in output)
    slopes = tape.gradient(loss, [v.value for v in encoder.trainable_variables])
    assert None not in slopes


def test_features_as_a_code_are_certain_and_of_unit_power():
    encoder = FeatureEncoder(config(), classes=2)
    encoder.build()
    images = tf.constant(floats())
    code, log_var = encoder(images, domain=SOURCE)
    assert log_var is None
    assert code.shape == (BATCH, encoder.length)
    np.testing.assert_allclose(np.mean(np.square(code), -1), 1, rtol=1e-3)
    np.testing.assert_array_equal(encoder(images, domain=TARGET)[0], code)
