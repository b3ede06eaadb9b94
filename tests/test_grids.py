import numpy as np
import pytest
from PIL import Image
from stand_ins import GLASSES, SIZE, Attribute, ImageSet, Model, Pair, paint, painted_set

from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.grids import (
    GAP,
    SECTION_GAP,
    comparison_grid,
    draw_grid,
    pick_images,
    sample_grid,
    save_png,
)
from cdd_keras.objective import Traits

NAMES = {SOURCE: "sketch", TARGET: "photo"}
IMAGES = {d: painted_set(np.array([0, 1, 0]), d).images for d in DOMAINS}
STEP = SIZE * 3 + GAP


def tile(grid, row, column, columns, sections_above=0):
    """The centre pixel of a tile."""
    left = grid.width - columns * STEP + column * STEP
    top = row * STEP + sections_above * SECTION_GAP
    return grid.getpixel((left + STEP // 2, top + STEP // 2))


def colour(value, domain, classes=2):
    return tuple(np.rint((paint([value], domain, classes)[0, 0, 0] + 1) * 127.5).astype(int))


def test_rows_of_a_comparison():
    grid = comparison_grid(Model(), IMAGES, GLASSES, NAMES)
    # real, and base and two values in two domains, for two domains
    assert grid.height == 14 * STEP + SECTION_GAP
    for section, own, away in ((0, SOURCE, TARGET), (1, TARGET, SOURCE)):
        first = 7 * section
        for column, label in enumerate((0, 1, 0)):
            rows = [tile(grid, first + r, column, 3, section) for r in range(7)]
            assert rows[0] == rows[1] == colour(label, own)
            assert rows[2:4] == [colour(0, own), colour(1, own)]
            assert rows[4] == colour(label, away)
            assert rows[5:7] == [colour(0, away), colour(1, away)]


def test_many_values_are_cut_short_unless_asked():
    digits = Attribute("digit", tuple("0123456789"))
    images = {SOURCE: painted_set(np.arange(4), SOURCE, 10).images}
    assert comparison_grid(Model(10), images, digits, NAMES).height == (1 + 2 * 6) * STEP
    grid = comparison_grid(Model(10), images, digits, NAMES, values=[7, 9], scale=3)
    assert grid.height == (1 + 2 * 3) * STEP
    assert tile(grid, 3, 0, 4) == colour(9, SOURCE, 10)


def test_without_an_encoder_only_real_images():
    model = Model()
    model.has_encoder = False
    assert comparison_grid(model, IMAGES, GLASSES, NAMES).height == 2 * STEP + SECTION_GAP


def test_sample_grid():
    grid = sample_grid(Model(), GLASSES, NAMES, count=5)
    assert grid.height == 4 * STEP + SECTION_GAP
    assert tile(grid, 1, 4, 5) == colour(1, SOURCE)
    assert tile(grid, 2, 0, 5, 1) == colour(0, TARGET)
    one = sample_grid(Model(), GLASSES, NAMES, [TARGET], values=[1], count=2)
    assert (one.height, tile(one, 0, 0, 2)) == (STEP, colour(1, TARGET))


def test_samples_share_their_noise_between_rows():
    calls = []

    class Seeded(Model):
        def sample(self, values, domain, seed):
            calls.append((domain, tuple(values), seed))
            return super().sample(values, domain, seed)

    sample_grid(Seeded(), GLASSES, NAMES, count=2, seed=9)
    assert calls == [(d, (k, k), 9) for d in DOMAINS for k in (0, 1)]


def test_many_samples_go_on_in_the_next_row_and_a_single_kind_is_a_square():
    assert sample_grid(Model(), GLASSES, NAMES, [TARGET], count=20).height == 4 * STEP
    grid = sample_grid(Model(), GLASSES, NAMES, [TARGET], values=[1], count=9)
    assert grid.height == 3 * STEP
    assert tile(grid, 2, 2, 3) == colour(1, TARGET)


def test_batches_of_samples_do_not_share_their_noise():
    seeds = []

    class Seeded(Model):
        def sample(self, values, domain, seed):
            seeds.append((seed, len(values)))
            return super().sample(values, domain, seed)

    sample_grid(Seeded(), GLASSES, NAMES, [TARGET], values=[1], count=5, seed=9, batch_size=2)
    assert seeds == [(9, 2), (11, 2), (13, 1)]


@pytest.mark.parametrize(("size", "scale"), [(16, 3), (32, 3), (64, 2), (128, 1)])
def test_small_images_are_enlarged_by_whole_pixels(size, scale):
    checks = (255 * (np.indices((size, size)).sum(0) % 2)).astype("uint8")
    grid = draw_grid([[("row", np.repeat(checks[None, ..., None], 3, -1))]])
    assert grid.height == size * scale + GAP
    right = np.asarray(grid)[: size * scale, -(size * scale + GAP) : -GAP, 0]
    np.testing.assert_array_equal(right, checks.repeat(scale, 0).repeat(scale, 1))


def test_labels_are_drawn_left_of_the_images():
    images = np.zeros((1, 16, 16, 3), "uint8")
    short, long = (draw_grid([[(text, images)]]) for text in ("a", "photo: no-eyeglasses"))
    assert long.width > short.width
    left = np.asarray(long)[:, : long.width - STEP]
    assert left.min() < 100
    assert left[:, :3].min() == 255  # The margin is empty: nothing is cut off.


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="no row"):
        draw_grid([])


def test_picked_images_show_every_value():
    labels = np.array([0] * 20 + [1] * 3)
    pair = Pair(GLASSES, {("test", TARGET): painted_set(labels, TARGET)})
    picked = pick_images(pair, "test", 6)
    assert set(picked) == {TARGET}
    shown = [tuple(image[0, 0]) == colour(1, TARGET) for image in picked[TARGET]]
    assert shown == [False, True] * 3
    assert len(pick_images(pair, "test", 10)[TARGET]) == 10


def test_picked_images_without_labels_are_spread():
    images = np.arange(9, dtype="uint8")[:, None, None, None] * np.ones((SIZE, SIZE, 3), "uint8")
    pair = Pair(GLASSES, {("test", SOURCE): ImageSet(images, None)})
    assert list(pick_images(pair, "test", 3)[SOURCE][:, 0, 0, 0]) == [0, 4, 8]
    assert len(pick_images(pair, "test", 12)[SOURCE]) == 9


def test_save_png_leaves_one_whole_file(tmp_path):
    path = tmp_path / "samples" / "grid.png"
    save_png(Image.new("RGB", (4, 3), (1, 2, 3)), path)
    save_png(Image.new("RGB", (5, 3), (1, 2, 3)), path)
    assert [one.name for one in path.parent.iterdir()] == ["grid.png"]
    with Image.open(path) as image:
        assert (image.size, image.getpixel((0, 0))) == ((5, 3), (1, 2, 3))


def test_save_png_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "grid.png"
    path.write_bytes(b"old")

    def fail(self, file, format):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_png(Image.new("RGB", (4, 3)), path)
    assert [one.name for one in tmp_path.iterdir()] == ["grid.png"]
    assert path.read_bytes() == b"old"


class Plain(Model):
    """Draws targets without values, from images alone."""

    traits = Traits(draws=(TARGET,), shows_values=False)


def test_what_a_method_does_not_draw_is_left_out():
    grid = comparison_grid(Plain(), IMAGES, GLASSES, NAMES)
    assert grid.height == 4 * STEP + SECTION_GAP
    assert tile(grid, 1, 0, 3) == tile(grid, 3, 0, 3, 1) == colour(0, TARGET)
    samples = sample_grid(Plain(), GLASSES, NAMES, count=4)
    # One row of four images is shown as a square.
    assert samples.height == 2 * STEP
