import io

import numpy as np
import pytest
from PIL import Image

from cdd_keras.data import images
from cdd_keras.data.images import find_images, read_image
from cdd_keras.errors import CddError, UsageError

RED = (200, 40, 20)


def write(path, image, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "bmp"])
def test_formats(tmp_path, suffix):
    pixels = read_image(write(tmp_path / f"x.{suffix}", Image.new("RGB", (7, 5), RED)))
    assert pixels.shape == (5, 7, 3)
    assert pixels.dtype == np.uint8
    assert abs(pixels.astype(int) - RED).max() <= 12


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, 255),
        ("L", 90, 90),
        ("I;16", 90 * 257, 90),
        ("LA", (90, 0), 255),
        ("RGBA", (0, 0, 0, 0), 255),
        ("RGBA", (90, 90, 90, 255), 90),
        ("RGBA", (0, 0, 0, 51), 204),
        ("RGB", (90, 90, 90), 90),
    ],
)
def test_modes_of_png(tmp_path, mode, colour, expected):
    pixels = read_image(write(tmp_path / "x.png", Image.new(mode, (3, 4), colour)))
    assert pixels.shape == (4, 3, 3)
    assert (pixels == expected).all()


def test_cmyk_jpeg(tmp_path):
    pixels = read_image(write(tmp_path / "x.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0))))
    assert abs(pixels.astype(int) - (255, 0, 0)).max() <= 20


def test_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("P", (2, 2), 0)
    image.putpalette([0, 0, 0, *RED])
    image.putpixel((0, 0), 1)
    pixels = read_image(write(tmp_path / "x.png", image, transparency=0))
    assert pixels[0, 0].tolist() == list(RED)
    assert pixels[1, 1].tolist() == [255, 255, 255]


def test_first_frame_of_a_gif(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, (0, 0, 255))]
    path = write(tmp_path / "x.gif", frames[0], save_all=True, append_images=frames[1:])
    assert read_image(path)[0, 0].tolist() == list(RED)


def test_exif_orientation(tmp_path):
    image = Image.new("RGB", (8, 4), "black")
    image.paste("white", (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = read_image(write(tmp_path / "x.png", image, exif=exif))
    assert pixels.shape == (8, 4, 3)
    assert pixels[0].min() == 255
    assert pixels[-1].max() == 0


def test_one_pixel(tmp_path):
    assert read_image(write(tmp_path / "x.png", Image.new("RGB", (1, 1)))).shape == (1, 1, 3)


def damaged(kind):
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()[: buffer.tell() // 2]


@pytest.mark.parametrize(
    "content", [b"", b"hello", damaged("PNG"), damaged("JPEG"), damaged("GIF"), damaged("BMP")]
)
def test_damaged_files_are_named(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(CddError, match=r"broken\.png is (damaged|not an image)"):
        read_image(path)


def test_huge_images_are_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 99)
    path = write(tmp_path / "x.png", Image.new("RGB", (10, 10)))
    with pytest.raises(CddError, match="too large: 10 x 10"):
        read_image(path)


def test_unreadable_path_is_named(tmp_path):
    with pytest.raises(CddError, match=r"x\.png cannot be read"):
        read_image(tmp_path / "x.png")


def test_folders_are_searched_in_sorted_order(tmp_path):
    for name in ("b.PNG", "sub/a.jpeg", "a.jpg", "notes.txt", ".hidden.png"):
        path = tmp_path / "all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    single = tmp_path / "single.image"
    single.touch()
    found = find_images([str(single), tmp_path / "all"])
    names = [str(path.relative_to(tmp_path)) for path in found]
    assert names == ["single.image", "all/a.jpg", "all/b.PNG", "all/sub/a.jpeg"]


def test_missing_paths_and_empty_folders_are_named(tmp_path):
    with pytest.raises(UsageError, match="No such file or folder: nowhere, nothing"):
        find_images(["nowhere", tmp_path, "nothing"])
    with pytest.raises(UsageError, match="No images in"):
        find_images([tmp_path])
