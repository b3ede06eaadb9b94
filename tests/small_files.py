"""What tests know of the small folders that fixtures make; free of TensorFlow."""

import csv

READABLE = (
    "alpha.png",
    "bitmap.bmp",
    "cmyk.jpg",
    "deep.png",
    "film.gif",
    "grey.png",
    "palette.png",
    "photo.jpg",
    "pixel.png",
    "turned.jpg",
    "web.webp",
)
CORRUPT = ("broken.jpg", "text.png")


def write_table(folder, rows):
    with (folder / "attributes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "Eyeglasses", "split"], *rows])
