import numpy as np
from stand_ins import GLASSES, SIZE, Attribute, Model, painted_set, seen_domain, seen_value

from cdd_keras.data.preprocessing import to_float
from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.figures import IDENTITIES, draw_panels, paper_figure
from cdd_keras.objective import Traits

NAMES = {SOURCE: "sketch", TARGET: "photo"}
IMAGES = {d: painted_set(np.arange(8) % 2, d).images for d in DOMAINS}
TILE = SIZE * 3


def tiles(figure, panels, columns):
    """(value, domain) by panel, row and column, as they were painted."""
    pixels = np.asarray(figure)
    width, height = figure.width // columns, (figure.height - 8 * (panels - 1)) // panels
    head = height - IDENTITIES * (TILE + 1)
    found = []
    for panel in range(panels):
        top = panel * (height + 8) + head
        for row in range(IDENTITIES):
            line = top + row * (TILE + 1)
            lefts = [column * width for column in range(columns)]
            parts = [pixels[line : line + TILE, left : left + TILE] for left in lefts]
            images = to_float(np.stack(parts)).numpy()
            found.append(np.stack([seen_value(images), seen_domain(images)], -1))
    return np.array(found).reshape(panels, IDENTITIES, columns, 2)


def test_rows_are_identities_and_columns_values_and_domains():
    figure = paper_figure(Model(), IMAGES, GLASSES, NAMES)
    seen = tiles(figure, 3, 5)
    for panel, domain in enumerate((0, 1)):
        np.testing.assert_array_equal(seen[panel, :, 0, 0], np.arange(IDENTITIES) % 2)
        assert (seen[panel, :, :3, 1] == domain).all()
        assert (seen[panel, :, 3:, 1] == 1 - domain).all()
        assert (seen[panel, :, 1:, 0] == [0, 1, 0, 1]).all()
    # What is drawn from noise has no original.
    assert (seen[2, :, :4, 0] == [0, 1, 0, 1]).all()
    assert (seen[2, :, :4, 1] == [0, 0, 1, 1]).all()


def test_a_row_of_samples_is_one_code():
    seeds = []

    class Seeded(Model):
        def sample(self, values, domain, seed):
            seeds.append(seed)
            return super().sample(values, domain, seed)

    paper_figure(Seeded(), {}, GLASSES, NAMES, seed=4)
    assert seeds == [4] * 4


class Plain(Model):
    """Draws targets from images, without values."""

    has_prior = False
    traits = Traits(draws=(TARGET,), shows_values=False)


def test_what_is_not_drawn_has_no_column():
    seen = tiles(paper_figure(Plain(), IMAGES, GLASSES, NAMES), 2, 2)
    assert (seen[:, :, 1, 1] == 1).all()


def test_nothing_drawn_is_no_figure():
    assert paper_figure(Plain(), {}, GLASSES, NAMES) is None


def test_many_values_are_cut_short():
    digits = Attribute("digit", tuple("0123456789"))
    images = {SOURCE: painted_set(np.arange(8), SOURCE, 10).images}
    model = Model(10)
    model.has_prior = False
    figure = paper_figure(model, images, digits, NAMES)
    assert tiles(figure, 1, 11).shape[2] == 11


def test_long_headings_widen_their_columns():
    images = np.zeros((2, SIZE, SIZE, 3), "uint8")
    narrow = draw_panels([[("a", images)]])
    wide = draw_panels([[("a heading that is much longer than the tile\nand two lines", images)]])
    assert wide.width > 2 * narrow.width
    assert wide.height > narrow.height
