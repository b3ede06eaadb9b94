"""Which settings go together."""

import re

from cdd_keras.errors import UsageError

FACE_DOMAINS = ("sketch-photo", "photo-sketch")
SPLIT_PREFIX = "without-with:"
# Where images lie or what they are called, and the data that are found by it.
PLACES = {
    "data_dir": ("celeba", "digits", "folder", "tfds"),
    "target_dir": ("folder",),
    "tfds_name": ("tfds",),
}


def check_places(config):
    """Check the settings that say where images are against `data` and `domains`.

    Args:
        config: a `Config` that may still lack its default `domains`.

    Raises:
        UsageError: `data` does not read such a setting, or two folders have no names.
    """
    for name, kinds in PLACES.items():
        value = getattr(config, name)
        if value and config.data not in kinds:
            raise UsageError(
                f"`{name}` does not fit data {config.data}: {value!r}. Expected `data` to be "
                f"{' or '.join(kinds)}, such as --data {kinds[0]}, or no `{name}`."
            )
    if config.target_dir and not config.domains:
        raise UsageError(
            "`domains` is required with `target_dir`: what the images of `data_dir` and of "
            "`target_dir` are called, such as --domains faces-photos."
        )


def check_domains(domains: str, data: str, attr: str):
    """Check that `domains` is well formed and fits `data` and `attr`.

    Raises:
        UsageError: It does not.
    """
    split = domains.startswith(SPLIT_PREFIX)
    pair = None if split else re.fullmatch(r"([^-\s]+)-([^-\s]+)", domains)
    if split and not domains[len(SPLIT_PREFIX) :].strip():
        raise UsageError(f"`domains` names no attribute: {domains!r}. Expected without-with:ATTR.")
    if split and domains[len(SPLIT_PREFIX) :].lower() == attr.lower():
        raise UsageError(
            f"`domains` splits by the attribute to learn: {domains!r}. Then each domain would "
            "hold one value only; split by another attribute."
        )
    if not split and (not pair or pair[1] == pair[2]):
        raise UsageError(
            f"`domains` is not a pair: {domains!r}. Expected sketch-photo, photo-sketch, "
            "without-with:ATTR or two different names, such as mnist-usps."
        )
    faces = split or domains in FACE_DOMAINS
    if data == "digits" and faces:
        raise UsageError(
            f"`domains` does not fit data digits: {domains!r}. Expected two sets of digits, "
            "such as mnist-usps or usps-mnist."
        )
    if data in ("synthetic", "celeba") and not faces:
        raise UsageError(
            f"`domains` does not fit data {data}: {domains!r}. Expected sketch-photo, "
            "photo-sketch or without-with:ATTR."
        )
