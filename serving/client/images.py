"""Image files of any common kind, made into what a SavedModel's `*_bytes` signatures read alike.

TensorFlow's decoders ignore EXIF orientation and transparency, and know no WebP. A plain JPEG or
PNG is sent as it is; anything else becomes a PNG of the pixels that a person sees.
"""

import io
import math
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from serving.cli import UsageError
from serving.client.errors import ImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
# A small file can claim to be huge: 64 megapixels are 200 MB once decoded.
MAX_PIXELS = 64_000_000
# What exports of cdd_keras decode; a larger picture is reduced before it is sent.
SENT_PIXELS = 2**24
# Pillow's own limit is higher, and only warned of.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Pillow raises nearly anything on damaged files.
_DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    SyntaxError,
    EOFError,
    MemoryError,
    struct.error,
    Image.DecompressionBombError,
)
_ORIENTATION = 0x0112
# Places of a PNG's header, whose chunk always comes first.
_DEPTH, _COLOUR = 24, 25

Picture = str | Path | bytes | Image.Image | np.ndarray


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """The image files that are named or lie in the folders named, each once, folders sorted.

    A file named outright is taken whatever its suffix.

    Raises:
        UsageError: a path does not exist, or there is no image at all.
    """
    paths = [Path(path) for path in paths]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"No such file or folder: {', '.join(missing)}.")
    found = [image for path in paths for image in (_below(path) if path.is_dir() else [path])]
    if not found:
        raise UsageError(
            f"No images in {', '.join(map(str, paths))}. Expected files ending in "
            f"{', '.join(SUFFIXES)}."
        )
    once: dict[Path, Path] = {}
    for path in found:
        once.setdefault(path.absolute(), path)
    return list(once.values())


def _below(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in files if path.is_file() and not path.name.startswith("."))


def image_bytes(picture: Picture) -> bytes:
    """A JPEG or PNG that every decoder shows alike.

    Args:
        picture: a path, the bytes of a file (JPEG, PNG, WebP, GIF, BMP), a Pillow image, or
            uint8 pixels (height, width, 3) or (height, width).

    Raises:
        ImageError: it cannot be read; files are named.
    """
    if isinstance(picture, (str, Path)):
        try:
            return _of_file(Path(picture).read_bytes(), str(picture))
        except OSError as error:
            raise ImageError(f"{picture} cannot be read: {error.strerror}.") from error
    if isinstance(picture, bytes):
        return _of_file(picture, "the image")
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.shape[2:] not in ((), (3,)) or picture.ndim < 2:
            raise ImageError(
                f"An image is {picture.dtype} {picture.shape}. Expected uint8 (height, width, 3)."
            )
        picture = Image.fromarray(picture)
    return _png(_upright(picture))


def _of_file(data: bytes, name: str) -> bytes:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(
                    f"{name} is too large: {image.width} x {image.height}. "
                    f"Expected at most {MAX_PIXELS // 1_000_000} megapixels."
                )
            # Decoded in any case: one damaged image would fail all that are sent with it.
            image.load()
            return data if _is_plain(image, data) else _png(_upright(image))
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not an image (JPEG, PNG, WebP, GIF or BMP).") from error
    except _DAMAGED as error:
        raise ImageError(f"{name} is damaged: {error}.") from error


def _is_plain(image: Image.Image, data: bytes) -> bool:
    """Whether a decoder without EXIF, alpha, palettes, CMYK or 16 bits sees the same pixels."""
    if image.getexif().get(_ORIENTATION, 1) in range(2, 9) or image.has_transparency_data:
        return False
    if image.width * image.height > SENT_PIXELS or image.mode not in ("RGB", "L"):
        return False
    if image.format == "PNG":
        return data[_DEPTH] == 8 and data[_COLOUR] in (0, 2)
    # MPO is what Pillow calls a JPEG with further pictures behind the first.
    return image.format in ("JPEG", "MPO")


def _upright(image: Image.Image) -> Image.Image:
    """RGB as a person sees it: turned by its EXIF orientation, on white where transparent."""
    image = _to_rgb(ImageOps.exif_transpose(image))
    count = image.width * image.height
    if count <= SENT_PIXELS:
        return image
    # As little as is needed: what the model sees is then the same but for one grey level.
    scale = math.sqrt(SENT_PIXELS / count)
    return image.resize((max(1, int(image.width * scale)), max(1, int(image.height * scale))))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        # convert("L") would clip 16 bits at 255 instead of scaling them.
        grey = np.asarray(image).astype(np.float64)
        scaled = np.clip(np.round(grey / 257.0), 0, 255).astype(np.uint8)
        return Image.fromarray(scaled).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    # Speed counts more than the last percent of size on the way to the server.
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def pixels(files: Iterable[bytes]) -> np.ndarray:
    """PNG files of one size -> uint8 (n, height, width, 3)."""
    return np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])
