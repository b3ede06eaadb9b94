"""Picture grids that a person can judge: rows are named, columns are images."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cdd_keras.data.preprocessing import to_float, to_uint8
from cdd_keras.domains import DOMAINS, NO_VALUE, other
from cdd_keras.evaluation import in_batches
from cdd_keras.files import replacing

MOST_VALUES = 5
# Samples a row.
WIDTH = 16
BACKGROUND, INK = (255, 255, 255), (40, 40, 40)
GAP, SECTION_GAP, MARGIN = 1, 8, 6


def comparison_grid(
    model,
    images: Mapping[str, np.ndarray],
    attribute,
    names: Mapping[str, str],
    values: Sequence[int] | None = None,
    scale: int | None = None,
) -> Image.Image:
    """Real images above what the model makes of them, for both domains.

    A section a domain; its rows: real, then base (reconstruction) and every value in its own
    domain, then base (translation) and every value in the other. What the method does not draw is
    left out.

    Args:
        model: a `CrossDomainModel`.
        images: domain -> uint8, (n, size, size, 3); see `pick_images`.
        attribute: its `values` name the rows.
        names: domain -> what it is called.
        values: indices of the values shown; None: the first five.
        scale: enlargement; None: 3 up to 32 pixels, 2 up to 64, else 1.
    """
    values = range(len(attribute.values))[:MOST_VALUES] if values is None else values
    values = values if model.traits.shows_values else ()
    sections = []
    for domain in DOMAINS:
        if len(images.get(domain, ())):
            rows = [(f"real {names[domain]}", np.asarray(images[domain]))]
            if any(map(model.can_translate, DOMAINS)):
                rows += _generated_rows(model, images[domain], domain, attribute, names, values)
            sections.append(rows)
    return draw_grid(sections, scale)


def _generated_rows(model, images, domain, attribute, names, values):
    real = to_float(images)
    for place in filter(model.can_translate, (domain, other(domain))):
        for value in (NO_VALUE, *values):
            chosen = np.full(len(images), value, "int32")
            made = model.translate(real, domain, place, chosen)
            word = "base" if value == NO_VALUE else attribute.values[value]
            yield f"{names[place]}: {word}", np.asarray(to_uint8(made))


def sample_grid(
    model,
    attribute,
    names: Mapping[str, str],
    domains: Sequence[str] | None = None,
    values: Sequence[int] | None = None,
    count: int = 12,
    seed: int = 0,
    batch_size: int = 64,
) -> Image.Image:
    """Samples drawn from noise: a section a domain, a row a value, a column a draw.

    Args:
        model: a `CrossDomainModel` with a generator.
        attribute, names: as in `comparison_grid`.
        domains: the sections, in their order; None: those it can draw.
        values: indices of the values shown; None: all, or none where it draws without.
        count: samples of each value in each domain; those past `WIDTH` go on in the next row.
        seed: of the noise, the same for every domain and value.
        batch_size: samples drawn at a time; no two batches share their noise.
    """
    domains = list(filter(model.can_sample, DOMAINS)) if domains is None else domains
    if values is None:
        values = range(len(attribute.values)) if model.traits.shows_values else (NO_VALUE,)
    # A single kind of image is better seen as a square than as a line.
    single = len(domains) * len(values) == 1
    width = min(WIDTH, math.ceil(math.sqrt(count)) if single else count)
    sections = []
    for domain in domains:
        rows = []
        for value in values:
            images = _samples(model, domain, value, count, seed, batch_size)
            word = "" if value == NO_VALUE else f": {attribute.values[value]}"
            label = names[domain] + word
            parts = [images[start : start + width] for start in range(0, count, width)]
            rows += [("" if number else label, part) for number, part in enumerate(parts)]
        sections.append(rows)
    return draw_grid(sections)


def _samples(model, domain, value, count, seed, batch_size) -> np.ndarray:
    """uint8 (count, size, size, 3)."""

    def draw(rows):
        values = np.full(len(rows), value, "int32")
        return to_uint8(model.sample(values, domain, seed + int(rows[0])))

    return in_batches(draw, np.arange(count), size=batch_size)


def pick_images(pair, split: str, columns: int = 12) -> dict[str, np.ndarray]:
    """Domain -> up to `columns` images of a split that show the attribute's values evenly.

    The rare value would not be seen otherwise. Labels, the target's too, are read for these
    pictures only; without labels the images are spread evenly over the split.
    """
    picked = {}
    for domain in DOMAINS:
        images = pair.sets.get((split, domain))
        if images is not None and len(images.images):
            rows = _even_rows(images.labels, len(images.images), columns)
            picked[domain] = images.images[rows]
    return picked


def _even_rows(labels, count: int, columns: int) -> np.ndarray:
    if labels is None:
        return np.linspace(0, count - 1, min(count, columns)).astype(int)
    # The first image of every value, then the second of every value, and so on.
    turn = np.zeros(count, int)
    for value in np.unique(labels):
        rows = np.flatnonzero(labels == value)
        turn[rows] = np.arange(len(rows))
    return np.lexsort((labels, turn))[:columns]


def draw_grid(
    sections: Sequence[Sequence[tuple[str, np.ndarray]]], scale: int | None = None
) -> Image.Image:
    """Named rows of images, in sections a little apart.

    Args:
        sections: each a list of (label, uint8 images (n, height, width, 3)), all of one image size.
        scale: see `comparison_grid`.

    Raises:
        ValueError: there is no row.
    """
    rows = [row for section in sections for row in section]
    if not rows:
        raise ValueError("`sections` holds no row: give at least one (label, images).")
    height, width = rows[0][1].shape[1:3]
    scale = scale or (3 if height <= 32 else 2 if height <= 64 else 1)
    font = ImageFont.load_default()
    left = 2 * MARGIN + max(int(font.getlength(label)) + 1 for label, _ in rows)
    columns = max(len(images) for _, images in rows)
    size = (
        left + columns * (width * scale + GAP),
        sum(_row_height(section, scale) for section in sections)
        + SECTION_GAP * (len(sections) - 1),
    )
    canvas, top = Image.new("RGB", size, BACKGROUND), 0
    for section in sections:
        for label, images in section:
            _draw_row(canvas, label, images, (left, top), scale, font)
            top += images.shape[1] * scale + GAP
        top += SECTION_GAP
    return canvas


def _row_height(section, scale: int) -> int:
    return sum(images.shape[1] * scale + GAP for _, images in section)


def _draw_row(canvas, label, images, corner, scale, font):
    left, top = corner
    height, width = (side * scale for side in images.shape[1:3])
    place = (MARGIN, top + height // 2)
    ImageDraw.Draw(canvas).text(place, label, fill=INK, font=font, anchor="lm")
    for number, image in enumerate(images):
        tile = Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST)
        canvas.paste(tile, (left + number * (width + GAP), top))


def save_png(image: Image.Image, path) -> None:
    """Write a PNG whole or not at all; folders are made as needed."""
    with replacing(path) as temporary:
        image.save(temporary, format="PNG")
