import json
from importlib.resources import files

import numpy as np

from cdd_keras.data import avatars
from cdd_keras.data.avatars import draw_face, draw_range, face

FACES = [face(0, index) for index in range(2000)]


def brightness(colour):
    """The grey level that a sketch, and the classifier's input, is made from."""
    return np.mean([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def test_attributes_are_fair_and_independent():
    truth = np.array([[f.eyeglasses, f.smiling, f.long_hair] for f in FACES], float)
    assert abs(truth.mean(0) - 0.5).max() < 0.04
    assert abs(np.corrcoef(truth.T) - np.eye(3)).max() < 0.06


def test_frames_stand_out_from_the_skin():
    for drawn in FACES:
        frame = brightness(drawn.options["accessoriesColor"])
        skin = brightness(drawn.options["skinColor"])
        assert max(frame, skin) / min(frame, skin) >= 1.6


def test_frames_are_darker_or_brighter_than_the_skin():
    brighter = [
        brightness(drawn.options["accessoriesColor"]) > brightness(drawn.options["skinColor"])
        for drawn in FACES
    ]
    assert 0.1 < np.mean(brighter) < 0.9


def test_options_say_what_is_true_of_the_face():
    for drawn in FACES[:200]:
        assert drawn.options["accessoriesProbability"] == 100 * drawn.eyeglasses
        assert (drawn.options["mouthVariant"] in ("smile", "twinkle")) == drawn.smiling
        assert (drawn.options["topVariant"] in avatars._LONG_HAIR) == drawn.long_hair


def test_every_part_exists_in_the_style():
    style = json.loads(files("dicebear_styles").joinpath("avataaars.json").read_text())
    parts = style["components"]
    for drawn in FACES:
        for option, value in drawn.options.items():
            if option.endswith("Variant"):
                assert value in parts[option.removesuffix("Variant")]["variants"]


def test_a_face_depends_on_seed_and_index_alone():
    assert (draw_face(0, 3, 32) == draw_face(0, 3, 32)).all()
    assert (draw_face(0, 3, 32) != draw_face(1, 3, 32)).any()
    assert (draw_face(0, 3, 32) != draw_face(0, 4, 32)).any()


def test_glasses_change_the_eyes_alone():
    index = next(i for i, drawn in enumerate(FACES) if drawn.eyeglasses)
    with_glasses = draw_face(0, index, 64).astype(int)
    original = FACES[index].options["accessoriesProbability"]
    options = {**FACES[index].options, "accessoriesProbability": 0}
    assert original == 100
    without = render(options, FACES[index].background, 64).astype(int)
    rows = np.flatnonzero(abs(with_glasses - without).max((1, 2)) > 60)
    assert 8 <= rows.min() < rows.max() <= 40
    assert (abs(with_glasses - without).max(-1) > 60).mean() > 0.02


def render(options, background, size):
    drawn = avatars.Face(options, background, False, False, False)
    original, avatars.face = avatars.face, lambda *_: drawn
    try:
        return draw_face(0, 0, size)
    finally:
        avatars.face = original


def test_a_range_is_drawn_into_a_file(tmp_path):
    path = tmp_path / "faces.npy"
    np.save(path, np.zeros((3, 16, 16, 3), np.uint8))
    draw_range(str(path), 0, 1, 3)
    images = np.load(path)
    assert (images[0] == 0).all()
    assert (images[2] == draw_face(0, 2, 16)).all()
