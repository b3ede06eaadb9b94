"""From a configuration to the two domains of a run."""

import hashlib
import logging
from importlib import import_module

import numpy as np

from cdd_keras.combinations import FACE_DOMAINS, SPLIT_PREFIX
from cdd_keras.data.attributes import Attribute, kebab, match_attribute
from cdd_keras.data.cache import UnreadableImagesError, cached_images, fingerprint
from cdd_keras.data.preprocessing import preprocessing_for
from cdd_keras.data.sets import SPLITS, TEST, TRAIN, Collection, DomainPair, ImageSet
from cdd_keras.data.sketch import sketch_blocks
from cdd_keras.data.splits import keep_apart, limited, two_halves
from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.errors import UsageError

SOURCES = ("synthetic", "celeba", "digits", "folder", "tfds")
_SKETCH, _PHOTO = "sketch", "photo"

_log = logging.getLogger(__name__)

Members = dict[tuple[str, str], tuple[Collection, np.ndarray]]


def load_pair(config, splits: tuple[str, ...] = SPLITS) -> DomainPair:
    """The images of both domains, decoded and resized (and kept for the next time).

    In training and validation no photo is on both sides, nor, where persons are known, a
    person; nor is a person in two splits. The test images of a sketch pair are shown in
    both domains: nothing is learnt from them, and halving would double the variance. Images
    that cannot be read are named on stderr (by logging), counted and skipped.

    Args:
        config: the data fields of `Config`.
        splits: which of train, validation and test; data for the others may be absent.

    Raises:
        UsageError: the data are missing, cannot be read at all, or do not fit `attr`,
            `domains` or `image_size`.
    """
    preprocessing = preprocessing_for(config)
    source = import_module(f"cdd_keras.data.{_known(config.data)}")
    collections = source.open_collections(config, preprocessing, splits)
    names = _domain_names(config, collections)
    attribute, labels = collections[0].labels(config.attr)
    members = {
        (split, domain): member
        for split in splits
        for domain, member in _sides(config, collections, split).items()
    }
    _check(members, names, attribute, labels)
    images, members = _read(members)
    # Again, for what is left.
    _check(members, names, attribute, labels)
    shades = {name: _shade(config, name, len(collections)) for name in names.values()}
    sets = {
        place: _image_set(
            images[place], member, shades[names[place[1]]], _labels(member[0], config, attribute)
        )
        for place, member in members.items()
    }
    return DomainPair(attribute, names, sets)


def _known(data: str) -> str:
    if data not in SOURCES:
        raise UsageError(f"`data` is unknown: {data!r}. Expected one of {', '.join(SOURCES)}.")
    return data


def _domain_names(config, collections: tuple[Collection, ...]) -> dict[str, str]:
    """What the domains are called, after checking that the data can be paired so."""
    domains = config.domains
    if domains.startswith(SPLIT_PREFIX) and len(collections) == 1:
        name = kebab(_splitting_attribute(config, collections[0])[0].name)
        return {SOURCE: f"without-{name}", TARGET: f"with-{name}"}
    two = len(collections) == 2 and domains.count("-") == 1 and ":" not in domains
    if domains in FACE_DOMAINS or two:
        return dict(zip((SOURCE, TARGET), domains.split("-"), strict=True))
    fitting = ", ".join((*FACE_DOMAINS, f"{SPLIT_PREFIX}ATTR"))
    expected = f"one of {fitting}" if len(collections) == 1 else "two names, such as A-B"
    raise UsageError(f"`domains` does not fit the data: {domains!r}. Expected {expected}.")


def _splitting_attribute(config, collection: Collection) -> tuple[Attribute, np.ndarray]:
    wanted = config.domains.removeprefix(SPLIT_PREFIX)
    name = match_attribute(wanted, collection.columns, collection.name, "domains")
    attribute, labels = collection.columns[name]
    if attribute.classes != 2:
        raise UsageError(
            f"`domains` needs an attribute that images have or lack: {name} has "
            f"{attribute.classes} values."
        )
    return attribute, labels


def _sides(config, collections: tuple[Collection, ...], split: str) -> dict:
    """domain -> (collection, sorted indices) of one split."""
    if len(collections) == 2:
        sides = _two_collections(*collections, split)
    elif config.domains in FACE_DOMAINS:
        sides = _halves(collections[0], split)
    else:
        sides = _without_with(config, collections[0], split)
    limit = config.train_limit if split == TRAIN else None
    return {domain: (one, limited(indices, limit)) for domain, (one, indices) in sides.items()}


def _members(collection: Collection, split: str) -> np.ndarray:
    keep = keep_apart(collection.splits, collection.identities)
    return np.flatnonzero((collection.splits == split) & keep)


def _two_collections(source: Collection, target: Collection, split: str) -> dict:
    first, second = _members(source, split), _members(target, split)
    known = source.identities is not None and target.identities is not None
    if known and split != TEST:
        first = first[~np.isin(source.identities[first], target.identities)]
    return {SOURCE: (source, first), TARGET: (target, second)}


def _halves(photos: Collection, split: str) -> dict:
    indices = _members(photos, split)
    if split == TEST:
        return {SOURCE: (photos, indices), TARGET: (photos, indices)}
    first = two_halves(indices if photos.identities is None else photos.identities[indices])
    return {SOURCE: (photos, indices[first]), TARGET: (photos, indices[~first])}


def _without_with(config, photos: Collection, split: str) -> dict:
    indices = _members(photos, split)
    has = _splitting_attribute(config, photos)[1][indices] == 1
    without = ~has
    if photos.identities is not None and split != TEST:
        # Who is ever seen with it belongs to the target, the rarer side.
        people = photos.identities[indices]
        without &= ~np.isin(people, people[has])
    return {SOURCE: (photos, indices[without]), TARGET: (photos, indices[has])}


def _check(members: Members, names: dict, attribute: Attribute, labels: np.ndarray) -> None:
    for (split, domain), (collection, indices) in members.items():
        if not len(indices):
            raise UsageError(
                f"The {split} split of the {domain} domain ({names[domain]}) is empty in "
                f"{collection.name}. Expected at least one image that can be read."
            )
    if (TRAIN, SOURCE) in members:
        found = np.unique(labels[members[TRAIN, SOURCE][1]])
        if len(found) == 1:
            raise UsageError(
                f"All {len(members[TRAIN, SOURCE][1])} source training images have the same "
                f"{attribute.name}: {attribute.values[found[0]]}. Expected at least two values."
            )


def _read(members: Members) -> tuple[dict[tuple[str, str], np.ndarray | None], Members]:
    """The images that can be read, None where there are none, and the members they are."""
    images, left, unreadable = {}, {}, {}
    for place, (collection, indices) in members.items():
        images[place], kept, reasons = _read_readable(collection, indices)
        left[place] = collection, kept
        # Test images may be in both domains: each is told once.
        unreadable |= dict.fromkeys(reasons)
    for reason in unreadable:
        _log.warning("skipped: %s", reason)
    if unreadable:
        _log.warning("skipped in all: %d", len(unreadable))
    return images, left


def _read_readable(collection: Collection, indices: np.ndarray):
    """Images, their indices, and why the others cannot be read."""
    reasons = []
    while len(indices):
        try:
            return collection.read(indices), indices, reasons
        except UnreadableImagesError as error:
            reasons += error.reasons.values()
            indices = np.delete(indices, list(error.reasons))
    return None, indices, reasons


def _labels(collection: Collection, config, attribute: Attribute) -> np.ndarray | None:
    """Labels in the numbering of `attribute`, or None if the collection has no such labels."""
    try:
        own, labels = collection.labels(config.attr)
    except UsageError:
        # Only a target of its own may lack the attribute: it is not trained on.
        return None
    numbers = {kebab(value): i for i, value in enumerate(attribute.values)}
    if not {kebab(value) for value in own.values} <= set(numbers):
        return None
    return np.array([numbers[kebab(value)] for value in own.values], np.int32)[labels]


def _shade(config, name: str, collections: int) -> float | None:
    """How grey the sketches of a domain are; None where images are shown as they are."""
    if name != _SKETCH or collections == 2:
        return None
    return config.sketch_shade if config.sketch_style == "shaded" else 0.0


def _image_set(
    images: np.ndarray, member, shade: float | None, labels: np.ndarray | None
) -> ImageSet:
    collection, indices = member
    if shade is not None:
        images = _sketched(images, shade)
    return ImageSet(images, None if labels is None else labels[indices], collection.ids[indices])


def _sketched(photos: np.ndarray, shade: float) -> np.ndarray:
    photos = np.ascontiguousarray(photos)
    key = fingerprint("sketch", shade, photos.shape, _digest(photos))
    return cached_images(
        "sketch", key, len(photos), photos.shape[1], lambda: sketch_blocks(photos, shade)
    )


def _digest(images: np.ndarray) -> str:
    return hashlib.sha256(images.data).hexdigest()
