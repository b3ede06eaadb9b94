"""The client as a library."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

from serving.cli import UsageError
from serving.client.answers import (
    Answer,
    Classification,
    ModelMetadata,
    ModelSpec,
    VersionStatus,
)
from serving.client.connecting import connect
from serving.client.errors import ClientError
from serving.client.images import Picture, image_bytes, pixels
from serving.client.labels import DOMAINS, NO_LABEL, domain_index, label_index
from serving.client.limits import Limits
from serving.client.retrying import Retries
from serving.client.streaming import stream
from serving.client.tls import Tls

CLASSIFIER, GENERATOR = "cdd_classifier", "cdd_generator"
# The signature that answers with class names, and the feature of its examples.
_NAMED, _FEATURE = "classify", "image_bytes"
_READ_BYTES = {"source": "source_bytes", "target": "predict_bytes"}

Result = TypeVar("Result")
Send = Callable[[list[bytes]], Sequence]


class Client:
    """Talks to TF Serving, or to `serving.server`, which answers alike; shared by threads.

    Use it in a `with`, or call `close`.

    Args:
        address: `host:port` for gRPC, `http://host:port` or `https://…` for REST.
        deadline: seconds a call may last, with all its attempts.
        retries: when to try again.
        tls: certificates, for an encrypted connection; None: plain gRPC, or what an https
            address needs by default.
        limits: sizes of requests and messages.

    Raises (every method that calls):
        CallError: the server, or the way to it, failed.
        UsageError: an argument is wrong.
    """

    def __init__(
        self,
        address: str = "localhost:8500",
        *,
        deadline: float = 60.0,
        retries: Retries | None = None,
        tls: Tls | None = None,
        limits: Limits | None = None,
    ):
        if not deadline > 0:
            raise UsageError(f"The deadline is {deadline} s. Expected a number above 0.")
        self.address, self.deadline = address, deadline
        self.retries = retries or Retries()
        self.limits = limits or Limits()
        self.transport = connect(address, tls, self.limits)

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def predict(
        self,
        model: str | ModelSpec,
        inputs: Mapping[str, np.ndarray],
        signature: str = "serving_default",
        outputs: Sequence[str] = (),
    ) -> Answer:
        """Any signature of any model, once.

        Args:
            model: its name, or a `ModelSpec` for a version of it; that has a signature itself.
            inputs: arrays by input name, with one dtype each: those of the signature.
            signature: of a model given by name.
            outputs: those wanted; all by default.
        """
        spec = model if isinstance(model, ModelSpec) else ModelSpec(model, signature)
        return self._call(lambda left: self.transport.predict(spec, inputs, left, outputs))

    def status(self, model: str | ModelSpec) -> list[VersionStatus]:
        """The versions of a model the server knows, the newest first."""
        spec = _spec(model)
        return self._call(lambda left: self.transport.status(spec, left))

    def metadata(self, model: str | ModelSpec) -> ModelMetadata:
        """The signatures of a model."""
        spec = _spec(model)
        return self._call(lambda left: self.transport.metadata(spec, left))

    def class_names(self, model: str | ModelSpec = CLASSIFIER) -> tuple[str, ...]:
        """What a classifier calls its classes, by its answer to a blank picture."""
        blank = {_FEATURE: image_bytes(Image.new("RGB", (16, 16), "white"))}
        spec = _spec(model, _NAMED)
        rows = self._call(lambda left: self.transport.classify(spec, [blank], left))
        return tuple(name for name, _ in rows[0])

    def classify(
        self,
        images: Iterable[Picture],
        domain: str = "target",
        model: str | ModelSpec = CLASSIFIER,
        class_names: Sequence[str] | None = None,
    ) -> Classification:
        """Reads the attribute off images.

        Args:
            images: see `image_bytes`.
            domain: what they are of, "source" or "target".
            model: a classifier as `cdd_keras.export` writes it.
            class_names: None: the model's own.

        Raises:
            ImageError: one of them cannot be read.
        """
        names = tuple(self.class_names(model) if class_names is None else class_names)
        read = self.classifying(domain, model)
        parts = stream(read, _sized(map(image_bytes, images)), self.limits)
        scores = np.concatenate([np.zeros((0, len(names)), np.float32), *_matching(parts, names)])
        return Classification(names, scores, scores.argmax(1))

    def classifying(self, domain: str, model: str | ModelSpec = CLASSIFIER) -> Send:
        """The function for `stream` that reads files from `image_bytes`, a request at a time.

        It gives probabilities, float32 (images, classes).
        """
        spec = _spec(model, _READ_BYTES[DOMAINS[domain_index(domain)]])

        def send(files):
            return self.predict(spec, {"image_bytes": np.array(files, object)}).outputs["scores"]

        return send

    def translate(
        self,
        images: Iterable[Picture],
        to: str,
        source: str = "target",
        label: int | str = NO_LABEL,
        model: str | ModelSpec = GENERATOR,
    ) -> np.ndarray:
        """Images redrawn in a domain: uint8 (images, size, size, 3).

        Args:
            images: see `image_bytes`.
            to: the domain to draw in.
            source: the domain they are of.
            label: the class to draw, by name or index; `NO_LABEL`, or `KEEP_LABEL`.
            model: a generator as `cdd_keras.export` writes it.

        Raises:
            ImageError: one of them cannot be read.
        """
        draw = self.translating(to, source, self._label(label), model)
        return _joined(stream(draw, _sized(map(image_bytes, images)), self.limits))

    def translating(
        self, to: str, source: str, label: int, model: str | ModelSpec = GENERATOR
    ) -> Send:
        """The function for `stream` that redraws files from `image_bytes`, a request at a time.

        It gives a PNG file each.
        """
        spec = _spec(model, "translate_bytes_png")
        choices = {
            "label": label,
            "source_domain": domain_index(source),
            "target_domain": domain_index(to),
        }

        def send(files):
            rows = {name: np.full(len(files), value, np.int32) for name, value in choices.items()}
            inputs = {"image_bytes": np.array(files, object), **rows}
            return list(self.predict(spec, inputs).outputs["image_bytes"])

        return send

    def generate(
        self,
        labels: Sequence[int | str],
        seeds: Sequence[int],
        domain: str = "target",
        model: str | ModelSpec = GENERATOR,
    ) -> np.ndarray:
        """Samples: uint8 (rows, size, size, 3); the same seed draws the same face with any label.

        Args:
            labels: a row each, by name or index, or `NO_LABEL`.
            seeds: as many.
            domain: to draw in.
            model: a generator as `cdd_keras.export` writes it.
        """
        if len(labels) != len(seeds):
            raise UsageError(f"{len(labels)} labels, but {len(seeds)} seeds. Expected as many.")
        spec = _spec(model, "serving_default_png")
        place = domain_index(domain)
        numbers = {label: self._label(label) for label in set(labels)}

        def send(batch):
            chosen, drawn = zip(*batch, strict=True)
            inputs = {
                "label": np.array([numbers[label] for label in chosen], np.int32),
                "seed": np.array(drawn, np.int64),
                "domain": np.full(len(batch), place, np.int32),
            }
            return list(self.predict(spec, inputs).outputs["image_bytes"])

        rows = ((row, 0) for row in zip(labels, seeds, strict=True))
        return _joined(stream(send, rows, self.limits))

    def _label(self, label: int | str) -> int:
        return label_index(label, self.class_names()) if isinstance(label, str) else label

    def _call(self, attempt: Callable[[float], Result]) -> Result:
        return self.retries.call(attempt, self.deadline)


def _spec(model: str | ModelSpec, signature: str = "serving_default") -> ModelSpec:
    """The model with the signature that a call needs, whatever it came with."""
    if isinstance(model, str):
        return ModelSpec(model, signature)
    return ModelSpec(model.name, signature, model.version, model.label)


def _sized(files: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    return ((file, len(file)) for file in files)


def _joined(parts: Iterable[Sequence[bytes]]) -> np.ndarray:
    found = [png for part in parts for png in part]
    return pixels(found) if found else np.zeros((0, 0, 0, 3), np.uint8)


def _matching(parts, names):
    for part in parts:
        if part.shape[1] != len(names):
            raise ClientError(
                f"The model has {part.shape[1]} classes, but {len(names)} names are known: "
                f"{', '.join(names)}."
            )
        yield part
