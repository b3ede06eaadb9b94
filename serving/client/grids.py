"""Picture grids that a person can judge: rows are named, columns are images."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from serving.client.files import write_file

BACKGROUND, INK = (255, 255, 255), (40, 40, 40)
GAP, MARGIN = 1, 6


def draw_grid(rows: Sequence[tuple[str, np.ndarray]]) -> Image.Image:
    """Named rows of images, enlarged where they are small.

    Args:
        rows: (label, uint8 images (n, height, width, 3)), at least one, all of one image size.
    """
    height, width = rows[0][1].shape[1:3]
    scale = 3 if height <= 32 else 2 if height <= 64 else 1
    font = ImageFont.load_default()
    left = 2 * MARGIN + max(int(font.getlength(label)) + 1 for label, _ in rows)
    columns = max(len(images) for _, images in rows)
    step = height * scale + GAP
    size = (left + columns * (width * scale + GAP), len(rows) * step)
    canvas = Image.new("RGB", size, BACKGROUND)
    for number, (label, images) in enumerate(rows):
        place = (MARGIN, number * step + height * scale // 2)
        ImageDraw.Draw(canvas).text(place, label, fill=INK, font=font, anchor="lm")
        for column, image in enumerate(images):
            tile = Image.fromarray(image).resize(
                (width * scale, height * scale), Image.Resampling.NEAREST
            )
            canvas.paste(tile, (left + column * (width * scale + GAP), number * step))
    return canvas


def save_png(image: Image.Image, path: Path) -> None:
    """Writes a PNG whole or not at all.

    Raises:
        ClientError: it cannot be written.
    """
    file = io.BytesIO()
    image.save(file, format="PNG")
    write_file(path, file.getvalue())
