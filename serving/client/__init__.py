"""The client of `serving.server` and of TF Serving: a library, and `python -m serving.client`."""

from serving.cli import UsageError
from serving.client.answers import (
    Answer,
    Classification,
    ModelMetadata,
    ModelSpec,
    Signature,
    Tensor,
    VersionStatus,
)
from serving.client.client import CLASSIFIER, GENERATOR, Client
from serving.client.errors import CallError, ClientError, ImageError, TooLargeError
from serving.client.labels import KEEP_LABEL, NO_LABEL
from serving.client.limits import Limits
from serving.client.retrying import Retries
from serving.client.tls import Tls

__all__ = [
    "CLASSIFIER",
    "GENERATOR",
    "KEEP_LABEL",
    "NO_LABEL",
    "Answer",
    "CallError",
    "Classification",
    "Client",
    "ClientError",
    "ImageError",
    "Limits",
    "ModelMetadata",
    "ModelSpec",
    "Retries",
    "Signature",
    "Tensor",
    "Tls",
    "TooLargeError",
    "UsageError",
    "VersionStatus",
]
