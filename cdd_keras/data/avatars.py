"""Drawing one avatar face. Free of TensorFlow: worker processes import it.

The faces are the `avataaars` of DiceBear, looked at closely (eyes and mouth large) and
limited to parts that a person can tell apart at 32 pixels.
"""

import functools
import io
import json
import random
import sys
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from PIL import Image

_LONG_HAIR = (
    "bigHair", "bob", "curly", "curvy", "dreads", "longButNotTooLong", "miaWallace",
    "shavedSides", "straight01", "straight02", "straightAndStrand",
)  # fmt: skip
_SHORT_HAIR = (
    "dreads01", "shaggy", "shortCurly", "shortFlat", "shortRound", "shortWaved", "sides",
    "theCaesar", "theCaesarAndSidePart",
)  # fmt: skip
_SMILES = ("smile", "twinkle")
_OTHER_MOUTHS = ("serious", "sad", "disbelief")
# One shape: what an edit has to add is then definite, and minutes of training draw it as glasses.
_GLASSES = ("round",)
# Surprised eyes are left out: wide circles, they pass for round glasses in a sketch.
_EYES = ("default", "side", "happy", "squint")
_EYEBROWS = (
    "default", "defaultNatural", "flatNatural", "raisedExcited", "raisedExcitedNatural",
    "upDown", "upDownNatural",
)  # fmt: skip
_DARK_SKINS = ("#614335", "#ae5d29")
_LIGHT_SKINS = ("#d08b5b", "#fd9841", "#edb98a", "#f8d25c", "#ffdbb4")
_FRAMES = ("#262e33", "#3c4f5c", "#5199e4", "#ff5c5c", "#65c9ff", "#ffffff")
# A frame nearer in brightness to its skin vanishes in a sketch. Both darker and brighter ones
# are kept: as lines of a sketch they are alike, in a photo they are not, and that is what a
# classifier of sketches stumbles over.
_LEAST_CONTRAST = 1.6
# The face within the 280 x 280 canvas: left, top, width, height.
_FACE_BOX = "78 62 124 124"


@dataclass(frozen=True)
class Face:
    """A face to draw: DiceBear's options, the background (#rrggbb) and what is true of it."""

    options: dict
    background: str
    eyeglasses: bool
    smiling: bool
    long_hair: bool


def face(seed: int, index: int) -> Face:
    """The face numbered `index`; each attribute is a fair coin of its own."""
    draw = random.Random(f"{seed}/{index}")
    eyeglasses, smiling, long_hair = (draw.random() < 0.5 for _ in range(3))
    skin = draw.choice(_DARK_SKINS if draw.random() < 0.3 else _LIGHT_SKINS)
    options = {
        "seed": f"{seed}/{index}",
        "accessoriesVariant": draw.choice(_GLASSES),
        "accessoriesProbability": 100 if eyeglasses else 0,
        "accessoriesColor": draw.choice(frames_on(skin)),
        "skinColor": skin,
        "mouthVariant": draw.choice(_SMILES if smiling else _OTHER_MOUTHS),
        "topVariant": draw.choice(_LONG_HAIR if long_hair else _SHORT_HAIR),
        "eyesVariant": draw.choice(_EYES),
        "eyebrowsVariant": draw.choice(_EYEBROWS),
        "facialHairProbability": 0,
    }
    background = "#" + "".join(f"{draw.randint(150, 255):02x}" for _ in range(3))
    return Face(options, background, eyeglasses, smiling, long_hair)


def frames_on(skin: str) -> list[str]:
    """The frame colours that stand out from a skin, #rrggbb."""
    return [frame for frame in _FRAMES if _contrast(frame, skin) >= _LEAST_CONTRAST]


def _contrast(one: str, another: str) -> float:
    """Ratio of the brighter to the darker of two colours' mean levels, at least 1."""
    levels = [sum(bytes.fromhex(colour[1:])) for colour in (one, another)]
    return max(levels) / min(levels)


@functools.cache
def _style():
    from dicebear import Style

    return Style(json.loads(files("dicebear_styles").joinpath("avataaars.json").read_text()))


def draw_face(seed: int, index: int, size: int) -> np.ndarray:
    """Renders a face: uint8 in [0, 255], (size, size, 3)."""
    import resvg_py
    from dicebear import Avatar

    drawn = face(seed, index)
    svg = Avatar(_style(), drawn.options).to_string()
    # The view box makes the renderer spend its pixels on the face alone.
    svg = svg.replace('viewBox="0 0 280 280"', f'viewBox="{_FACE_BOX}"', 1)
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=size, height=size, skip_system_fonts=True,
        background=drawn.background,
    )  # fmt: skip
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"))


def draw_range(path: str, seed: int, start: int, stop: int) -> None:
    """Draws the faces start..stop-1 into the .npy file of (n, size, size, 3) at `path`."""
    images = np.load(path, mmap_mode="r+")
    for index in range(start, stop):
        images[index] = draw_face(seed, index, images.shape[1])
    images.flush()


if __name__ == "__main__":
    draw_range(sys.argv[1], *map(int, sys.argv[2:5]))
