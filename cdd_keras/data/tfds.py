"""Any TensorFlow Datasets set that has an image and a label or boolean attributes."""

import functools
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from cdd_keras.data import digits
from cdd_keras.data.attributes import binary_attribute
from cdd_keras.data.cache import cached_images, fingerprint
from cdd_keras.data.labels import Columns, class_columns
from cdd_keras.data.layouts import CELEBA
from cdd_keras.data.preprocessing import Preprocessing
from cdd_keras.data.sets import TEST, TRAIN, VALIDATION, Collection
from cdd_keras.data.splits import carve
from cdd_keras.errors import UsageError

_IMAGE = "image"
_NAMES = {TRAIN: TRAIN, VALIDATION: VALIDATION, "valid": VALIDATION, "val": VALIDATION, TEST: TEST}
_BLOCK = 512


def open_collections(
    config, preprocessing: Preprocessing, splits: tuple[str, ...]
) -> tuple[Collection, ...]:
    """The set `tfds_name`, or the two sets that `domains` names (mnist-svhn_cropped).

    Raises:
        UsageError: a set is unknown, not on this machine (nothing is downloaded), or has
            no image or no labels.
    """
    if config.tfds_name:
        names = [config.tfds_name]
    elif config.domains in ("sketch-photo", "photo-sketch") or ":" in config.domains:
        raise UsageError(
            f"`tfds_name` is required for data tfds with domains {config.domains}: a name such "
            "as celeb_a. Two sets are named by `domains`, such as mnist-svhn_cropped."
        )
    else:
        names = config.domains.split("-")
    return tuple(_collection(name, config, preprocessing, splits) for name in names)


def _collection(name: str, config, preprocessing: Preprocessing, splits) -> Collection:
    builder = _builder(name, config.data_dir)
    features = builder.info.features
    if _IMAGE not in features:
        raise UsageError(
            f"The data set {name} has no `{_IMAGE}`. Its features: {', '.join(features)}."
        )
    parts = _parts(builder, splits)
    counts = [builder.info.splits[part].num_examples for part in parts]
    columns, people = _columns(builder, parts)
    if not columns:
        raise UsageError(
            f"The data set {name} has neither a class label nor boolean `attributes`. Its "
            f"features: {', '.join(features)}."
        )
    ids = np.array(
        [f"{name}/{part}/{i:07d}" for part, n in zip(parts, counts, strict=True) for i in range(n)]
    )
    everyone = np.repeat([_NAMES[part] for part in parts], counts)

    def read(indices: np.ndarray) -> np.ndarray:
        key = fingerprint(
            "tfds", builder.info.full_name, str(builder.data_path), counts, indices.tolist(),
            preprocessing.get_config(),
        )  # fmt: skip
        return cached_images(
            "tfds", key, len(indices), preprocessing.image_size,
            lambda: _images(builder, parts, indices, preprocessing),
        )  # fmt: skip

    everyone = carve(everyone, config.validation_fraction)
    return Collection(f"the data set {name}", ids, everyone, columns, read, people)


def _builder(name: str, data_dir: str | None):
    # Imported here: it takes seconds, and only this source needs it.
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"{name} is not a TensorFlow Datasets set: {reason}") from error
    if not builder.data_path.exists():
        raise UsageError(_how_to_get(name, builder, data_dir))
    # What is stored says what it holds: it may lack features that the library declares.
    return tfds.builder_from_directory(builder.data_path)


def _how_to_get(name: str, builder, data_dir: str | None) -> str:
    place = "" if data_dir is None else f", data_dir='{data_dir}'"
    text = (
        f"The data set {name} is not on this machine (looked in {builder.data_path}), and "
        "nothing is downloaded unasked. Get it with\n"
        f"  python -c \"import tensorflow_datasets as tfds; tfds.builder('{name}'"
        f'{place}).download_and_prepare()"\n'
        "or name the folder that holds it with --data-dir."
    )
    if builder.info.name == "celeb_a":
        text += (
            "\nIts download from Google Drive often fails. By hand: "
            f"{CELEBA}. Then use --data celeba --data-dir FOLDER."
        )
    return text


def _parts(builder, splits: tuple[str, ...]) -> list[str]:
    """The stored splits to read: test alone, or all, as they are carved and kept apart."""
    stored = [part for part in builder.info.splits if part in _NAMES]
    alone = set(splits) == {TEST} and TEST in stored
    return [TEST] if alone else stored


def _examples(builder, parts: list[str], features: dict, decoders: dict) -> tf.data.Dataset:
    """The given features of all examples, always in the same order."""
    import tensorflow_datasets as tfds

    partial = tfds.decode.PartialDecoding(features, decoders=decoders)
    config = tfds.ReadConfig(try_autocache=False)
    sets = [
        builder.as_dataset(split=part, shuffle_files=False, decoders=partial, read_config=config)
        for part in parts
    ]
    return functools.reduce(lambda first, second: first.concatenate(second), sets)


def _columns(builder, parts: list[str]) -> tuple[Columns, np.ndarray | None]:
    """Every label of the set, and who is shown where the set knows it."""
    wanted = _labels_of(builder.info.features)
    if not wanted:
        return {}, None
    blocks = list(_examples(builder, parts, wanted, {}).batch(_BLOCK).as_numpy_iterator())
    table = tf.nest.map_structure(lambda *block: np.concatenate(block), *blocks)
    people = table.pop("identity", {}).get("Identity_No")
    columns = {
        name: (binary_attribute(name), values.astype(np.int32))
        for name, values in table.pop("attributes", {}).items()
    }
    for name, labels in table.items():
        columns |= class_columns(name, tuple(builder.info.features[name].names), labels)
        if tuple(builder.info.features[name].names) == digits.DIGIT.values:
            columns[digits.DIGIT.name] = (digits.DIGIT, labels.astype(np.int32))
    return columns, people


def _labels_of(features) -> dict:
    """Which of a set's features are labels, as PartialDecoding wants it."""
    import tensorflow_datasets as tfds

    features = dict(features.items())
    wanted = {
        name: True
        for name, feature in features.items()
        if isinstance(feature, tfds.features.ClassLabel)
    }
    attributes = features.get("attributes", {})
    if isinstance(attributes, tfds.features.FeaturesDict):
        flags = {name: True for name, value in attributes.items() if value.np_dtype == np.bool_}
        wanted |= {"attributes": flags} if flags else {}
    if wanted and "Identity_No" in features.get("identity", ()):
        wanted["identity"] = {"Identity_No": True}
    return wanted


def _images(
    builder, parts: list[str], indices: np.ndarray, preprocessing: Preprocessing
) -> Iterable[np.ndarray]:
    """The prepared images of some examples; only those are decoded."""
    import tensorflow_datasets as tfds

    feature = builder.info.features[_IMAGE]
    total = sum(builder.info.splits[part].num_examples for part in parts)
    chosen = np.zeros(total, bool)
    chosen[indices] = True

    def prepare(_, example):
        image = feature.decode_example(example[_IMAGE])
        # Grey to RGB; transparency is dropped.
        image = tf.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., :3]
        return preprocessing(image)

    examples = _examples(builder, parts, {_IMAGE: True}, {_IMAGE: tfds.decode.SkipDecoding()})
    examples = examples.enumerate().filter(lambda i, _: tf.gather(chosen, i))
    return examples.map(prepare, tf.data.AUTOTUNE).batch(_BLOCK).as_numpy_iterator()
