"""The paper's figures: a row an identity, a column each attribute value in each domain."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cdd_keras.data.preprocessing import to_float, to_uint8
from cdd_keras.domains import DOMAINS, NO_VALUE, other
from cdd_keras.grids import BACKGROUND, GAP, INK, MARGIN, MOST_VALUES, SECTION_GAP

IDENTITIES = 6
# A column: its heading, and its images uint8 (n, size, size, 3).
Column = tuple[str, np.ndarray]


def paper_figure(model, images, attribute, names, seed: int = 0) -> Image.Image | None:
    """Translations in both directions, then what is drawn from noise; None if nothing is drawn.

    Args:
        model: a `CrossDomainModel`.
        images: domain -> uint8 (n, size, size, 3), of which the first six are shown.
        attribute: its values head the columns.
        names: domain -> what people call it.
        seed: of the noise: a row is one code in every column.
    """
    values = range(len(attribute.values))[:MOST_VALUES]
    values = values if model.traits.shows_values else (NO_VALUE,)
    panels = []
    for domain in DOMAINS:
        real = images.get(domain, ())[:IDENTITIES]
        if not len(real):
            continue
        if columns := _translations(model, real, domain, attribute, names, values):
            panels.append([(f"real {names[domain]}", real), *columns])
    if samples := _samples(model, attribute, names, values, seed):
        panels.append(samples)
    return draw_panels(panels) if panels else None


def _translations(model, real, domain, attribute, names, values) -> list[Column]:
    """Into the domain itself, then into the other."""

    def draw(place, value):
        chosen = np.full(len(real), value, "int32")
        return np.asarray(to_uint8(model.translate(to_float(real), domain, place, chosen)))

    return [
        (_heading(attribute, names[place], value), draw(place, value))
        for place in filter(model.can_translate, (domain, other(domain)))
        for value in values
    ]


def _samples(model, attribute, names, values, seed) -> list[Column]:
    def draw(domain, value):
        chosen = np.full(IDENTITIES, value, "int32")
        return np.asarray(to_uint8(model.sample(chosen, domain, seed)))

    return [
        (_heading(attribute, f"drawn {names[domain]}", value), draw(domain, value))
        for domain in filter(model.can_sample, DOMAINS)
        for value in values
    ]


def _heading(attribute, name: str, value: int) -> str:
    return name if value == NO_VALUE else f"{name}\n{attribute.values[value]}"


def draw_panels(panels: Sequence[Sequence[Column]]) -> Image.Image:
    """Panels one below the other; columns are as wide as their headings need.

    Args:
        panels: each a list of (heading, uint8 images (n, size, size, 3)), all of one image size.
    """
    size = panels[0][0][1].shape[1]
    scale = 3 if size <= 32 else 2 if size <= 64 else 1
    font = ImageFont.load_default()
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [ruler.multiline_textbbox((0, 0), head, font) for one in panels for head, _ in one]
    tile = size * scale
    width = max(tile, *(int(box[2]) for box in boxes)) + GAP + MARGIN
    head = max(int(box[3]) for box in boxes) + MARGIN
    heights = [head + max(len(images) for _, images in one) * (tile + GAP) for one in panels]
    extent = (width * max(map(len, panels)), sum(heights) + SECTION_GAP * (len(panels) - 1))
    canvas, top = Image.new("RGB", extent, BACKGROUND), 0
    for panel, height in zip(panels, heights, strict=True):
        for number, (heading, images) in enumerate(panel):
            corner = (number * width, top)
            ImageDraw.Draw(canvas).multiline_text(corner, heading, INK, font)
            _draw_column(canvas, images, (corner[0], top + head), tile)
        top += height + SECTION_GAP
    return canvas


def _draw_column(canvas, images, corner, tile):
    left, top = corner
    for number, image in enumerate(images):
        enlarged = Image.fromarray(image).resize((tile, tile), Image.Resampling.NEAREST)
        canvas.paste(enlarged, (left, top + number * (tile + GAP)))
