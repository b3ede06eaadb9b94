"""What data have to look like, as far as it can be told before anything heavy is imported."""

from pathlib import Path

from cdd_keras.data.attributes import match_attribute
from cdd_keras.errors import UsageError

CELEBA = (
    "a folder with img_align_celeba/ (or img_align_celeba.zip, unopened), list_attr_celeba.txt and "
    "list_eval_partition.txt; identity_CelebA.txt is optional. See "
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
)
DIGITS = (
    "a folder with mnist.npz and usps.npz, each holding train_images, train_labels, test_images, "
    "test_labels"
)
FOLDER = (
    "a folder with images and attributes.csv (first column the file, then a column an attribute "
    "with 0/1, -1/1 or class names; `split` and `identity` are optional), or a folder a class, "
    "perhaps below train/, validation/ and test/"
)
_LAYOUTS = {"celeba": CELEBA, "digits": DIGITS, "folder": FOLDER}
# Attribute -> the field of a synthetic face that has it.
SYNTHETIC_ATTRIBUTES = {
    "eyeglasses": "eyeglasses",
    "smiling": "smiling",
    "long-hair": "long_hair",
}


def check_reachable(config) -> None:
    """Finds what is wrong with where data are, or the synthetic ones' attribute, at once.

    Raises:
        UsageError: a folder is not there, or `attr` is none of the synthetic faces'.
    """
    if config.data == "synthetic":
        match_attribute(config.attr, SYNTHETIC_ATTRIBUTES, "the synthetic faces")
    elif config.data in _LAYOUTS:
        data_folder(config)
        target_folder(config)


def data_folder(config) -> Path:
    """`config.data_dir`, which must be an existing folder.

    Raises:
        UsageError: it is not; the message says what belongs there.
    """
    layout = _LAYOUTS[config.data]
    if not config.data_dir:
        raise UsageError(f"`data_dir` is required for data {config.data}: {layout}.")
    return _existing("data_dir", config.data_dir, layout)


def target_folder(config) -> Path | None:
    """`config.target_dir`, an existing folder if it is given; UsageError as `data_folder`."""
    if not config.target_dir:
        return None
    return _existing("target_dir", config.target_dir, "a folder of images")


def _existing(field: str, path: str, expected: str) -> Path:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        found = "is not a folder" if folder.exists() else "does not exist"
        raise UsageError(f"`{field}` {found}: {path}. Expected {expected}.")
    return folder
