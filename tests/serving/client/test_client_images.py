"""What is sent for an image file: the file itself where every decoder shows it alike."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from cdd_keras.data.images import read_image
from serving.cli import UsageError
from serving.client.errors import ImageError
from serving.client.images import SENT_PIXELS, find_images, image_bytes, pixels

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), "uint8"))


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


PLAIN = {
    "jpeg": saved(PHOTO, "JPEG"),
    "progressive": saved(PHOTO, "JPEG", progressive=True),
    "grey jpeg": saved(PHOTO.convert("L"), "JPEG"),
    "upright jpeg": saved(PHOTO, "JPEG", exif=exif(1)),
    "jpeg turned by nonsense": saved(PHOTO, "JPEG", exif=exif(9)),
    "png": saved(PHOTO, "PNG"),
    "grey png": saved(PHOTO.convert("L"), "PNG"),
    "several pictures": saved(PHOTO, "MPO", save_all=True, append_images=[PHOTO.rotate(180)]),
}
CHANGED = {
    **{f"turned {way}": saved(PHOTO, "JPEG", exif=exif(way)) for way in range(2, 9)},
    "turned png": saved(PHOTO, "PNG", exif=exif(6)),
    "cmyk": saved(PHOTO.convert("CMYK"), "JPEG"),
    "alpha": saved(Image.merge("RGBA", (*PHOTO.split(), PHOTO.convert("L"))), "PNG"),
    "grey alpha": saved(PHOTO.convert("LA"), "PNG"),
    "transparent colour": saved(PHOTO.convert("L"), "PNG", transparency=7),
    "palette": saved(PHOTO.convert("P"), "PNG"),
    "1 bit": saved(PHOTO.convert("1"), "PNG"),
    "16 bits": saved(Image.fromarray(np.arange(1200, dtype="uint16").reshape(30, 40) * 50), "PNG"),
    "webp": saved(PHOTO, "WEBP"),
    "gif": saved(PHOTO, "GIF", save_all=True, append_images=[PHOTO.rotate(180)]),
    "bmp": saved(PHOTO, "BMP"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_is_sent_as_it_is(name):
    assert image_bytes(PLAIN[name]) == PLAIN[name]


@pytest.mark.parametrize("name", CHANGED)
def test_anything_else_becomes_a_plain_png(name, tmp_path):
    (tmp_path / "file").write_bytes(CHANGED[name])
    found = image_bytes(tmp_path / "file")
    image = Image.open(io.BytesIO(found))
    assert (image.format, image.mode, image.info.get("transparency")) == ("PNG", "RGB", None)
    # What the commands of cdd_keras see in the same file.
    np.testing.assert_array_equal(np.asarray(image), read_image(tmp_path / "file"))
    assert image_bytes(found) == found


def test_pictures_and_pixels_are_taken_too():
    turned = PHOTO.copy()
    turned.getexif()[0x0112] = 6
    expected = np.asarray(ImageOps.exif_transpose(turned))
    np.testing.assert_array_equal(pixels([image_bytes(turned)])[0], expected)
    grey = np.arange(12, dtype="uint8").reshape(3, 4)
    np.testing.assert_array_equal(pixels([image_bytes(grey)])[0, ..., 1], grey)
    with pytest.raises(ImageError, match=r"float64 \(2, 2, 3\). Expected uint8"):
        image_bytes(np.zeros((2, 2, 3)))
    with pytest.raises(ImageError, match=r"uint8 \(2, 2, 4\)"):
        image_bytes(np.zeros((2, 2, 4), "uint8"))


def test_pictures_of_too_many_pixels_for_a_model_are_reduced():
    side = 4100
    assert side**2 > SENT_PIXELS == 4096**2
    bright = Image.new("L", (side, side), 200)
    small = Image.open(io.BytesIO(image_bytes(saved(bright, "JPEG"))))
    assert small.size == (4096, 4096)
    assert set(np.unique(np.asarray(small))) == {200}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an image"),
        (b"no image", "is not an image"),
        (saved(PHOTO, "JPEG")[:400], "is damaged"),
        (saved(PHOTO, "PNG")[:400], "is damaged"),
        (saved(PHOTO, "TIFF"), "is not an image"),
        (saved(Image.new("1", (8001, 8001)), "PNG"), "is too large: 8001 x 8001"),
    ],
)
def test_what_cannot_be_read_is_named(content, message, tmp_path):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"x.jpg {message}"):
        image_bytes(path)


def test_a_folder_gives_its_images_each_once(tmp_path):
    for name in ("b.png", "a.JPG", "sub/c.webp", ".hidden.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find_images([tmp_path / "notes.txt", tmp_path, tmp_path / "b.png"])
    names = [str(path.relative_to(tmp_path)) for path in found]
    assert names == ["notes.txt", "a.JPG", "b.png", "sub/c.webp"]
    with pytest.raises(UsageError, match="No such file or folder: nope"):
        find_images(["nope"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"No images in .*empty. Expected files ending in .jpg"):
        find_images([tmp_path / "empty"])
