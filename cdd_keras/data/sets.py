"""What is handed around: images with labels, pairs of domains, undecoded collections."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cdd_keras.data.attributes import Attribute, match_attribute

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
# All of a domain's images as one: how a target that nobody labelled is read in the literature.
ALL = "all"


@dataclass(frozen=True)
class ImageSet:
    """Images of one domain and split.

    images: uint8 in [0, 255], (n, size, size, 3); may be a memory map.
    labels: int32 in [0, classes), (n,), or None where nobody labelled them.
    ids: (n,) str; a photo keeps its id in whatever domain it is shown.
    """

    images: np.ndarray
    labels: np.ndarray | None
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def join(parts: Sequence[ImageSet]) -> ImageSet:
    """Image sets as one, in their order; unlabelled if one of them is."""
    labelled = all(part.labels is not None for part in parts)
    return ImageSet(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]) if labelled else None,
        np.concatenate([part.ids for part in parts]),
    )


@dataclass(frozen=True)
class DomainPair:
    """The two domains of a run.

    attribute: what the labels mean. names: domain -> the name people know it by.
    sets: (split, domain) -> images. The labels of the target are for reporting (and the
    oracle) only.
    """

    attribute: Attribute
    names: Mapping[str, str]
    sets: Mapping[tuple[str, str], ImageSet]

    def get(self, split: str, domain: str) -> ImageSet:
        return self.sets[split, domain]

    def joined(self) -> "DomainPair":
        """The same domains with the one split ALL, which holds the images of every other."""
        places = {}
        for (_, domain), images in self.sets.items():
            places.setdefault((ALL, domain), []).append(images)
        return replace(self, sets={place: join(parts) for place, parts in places.items()})


@dataclass(frozen=True)
class Collection:
    """Images of one origin, listed but not decoded.

    name: for messages. ids: (n,) str. splits: (n,) str, one of SPLITS.
    columns: attribute name -> (attribute, int32 labels (n,)); empty if unlabelled.
    read: indices (k,) -> uint8 (k, size, size, 3); may raise UnreadableImagesError.
    identities: (n,) the person, if known.
    """

    name: str
    ids: np.ndarray
    splits: np.ndarray
    columns: Mapping[str, tuple[Attribute, np.ndarray]]
    read: Callable[[np.ndarray], np.ndarray]
    identities: np.ndarray | None = None

    def labels(self, attr: str) -> tuple[Attribute, np.ndarray]:
        """The attribute called `attr` and everyone's label.

        Raises:
            UsageError: there is no such attribute.
        """
        return self.columns[match_attribute(attr, self.columns, self.name)]
