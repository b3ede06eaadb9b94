"""Finding and reading image files of any common kind."""

import io
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cdd_keras.errors import CddError, UsageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
# A small file can claim to be huge: 64 megapixels are 200 MB once decoded.
MAX_PIXELS = 64_000_000
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


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """The image files that are named or lie in the folders named, folders in sorted order.

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
    return found


def _below(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in files if path.is_file() and not path.name.startswith("."))


def read_image(path: str | Path) -> np.ndarray:
    """Decodes a JPEG, PNG, WebP, GIF (first frame) or BMP of any mode and size.

    EXIF orientation is applied; what is transparent is shown on white.

    Returns:
        uint8 in [0, 255], (height, width, 3).

    Raises:
        CddError: the file is not readable as an image, or too large; it is named.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CddError(f"{path} cannot be read: {error.strerror}.") from error
    return decode_image(data, str(path))


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Like `read_image`, for the bytes of a file called `name`."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise CddError(
                    f"{name} is too large: {image.width} x {image.height}. "
                    f"Expected at most {MAX_PIXELS // 1_000_000} megapixels."
                )
            return np.asarray(_to_rgb(ImageOps.exif_transpose(image)))
    except UnidentifiedImageError as error:
        raise CddError(f"{name} is not an image (JPEG, PNG, WebP, GIF or BMP).") from error
    except _DAMAGED as error:
        raise CddError(f"{name} is damaged: {error}.") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _deep_grey_to_rgb(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _deep_grey_to_rgb(image: Image.Image) -> Image.Image:
    # convert("L") would clip 16 bits at 255 instead of scaling them.
    grey = np.asarray(image).astype(np.float64)
    scaled = np.clip(np.round(grey / 257.0), 0, 255).astype(np.uint8)
    return Image.fromarray(scaled).convert("RGB")
