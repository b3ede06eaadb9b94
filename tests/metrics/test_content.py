import numpy as np
import pytest

from cdd_keras.metrics.content import attribute_region, change_by_region

LABELS = np.arange(40) % 2


def faces(strength=120):
    """Noise, with a bright patch where the label is 1, and a corner that is always bright."""
    images = np.random.default_rng(0).integers(0, 60, (40, 20, 20, 3)).astype("uint8")
    images[LABELS == 1, 8:12, 4:14] += np.uint8(strength)
    images[:, :3, :3] = 255
    return images


def test_the_region_is_where_values_differ():
    region = attribute_region(faces(), LABELS)
    assert region.shape == (20, 20)
    assert region.mean() == pytest.approx(0.2, abs=0.02)
    assert region[8:12, 4:14].all()
    # A pixel that never changes tells nothing.
    assert not region[:2, :2].any()


def test_a_rare_value_has_a_region_too():
    rare = np.where(np.arange(40) < 37, 0, 1)
    images = faces(0)
    images[rare == 1, 8:12, 4:14] += 120
    assert attribute_region(images, rare)[9:11, 5:13].all()


def test_one_value_has_no_region():
    assert attribute_region(faces(), np.zeros(40, int)) is None


def test_changes_inside_and_outside():
    region = attribute_region(faces(), LABELS)
    first = np.zeros((5, 20, 20, 3))
    second = np.where(region[None, ..., None], 0.5, -0.1) * np.ones((5, 20, 20, 3))
    np.testing.assert_allclose(change_by_region(first, second, region), (0.5, 0.1))
