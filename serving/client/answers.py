"""What calls take and give, whatever the transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from serving.cli import UsageError


@dataclass(frozen=True)
class ModelSpec:
    """Which model answers, and how.

    Attributes:
        name: of the model.
        signature: of the call.
        version: a number, or None for what the server serves (the newest by default).
        label: the name of a version, such as "stable"; not with `version`.
    """

    name: str
    signature: str = "serving_default"
    version: int | None = None
    label: str | None = None

    def __post_init__(self):
        if self.version is not None and self.label is not None:
            raise UsageError(
                f"Both a version ({self.version}) and a version label ({self.label}) were given. "
                "Expected one of them, or none."
            )


@dataclass(frozen=True)
class Answer:
    """Arrays by output name; `version` is None where the transport does not tell (REST)."""

    outputs: Mapping[str, np.ndarray]
    version: int | None = None


@dataclass(frozen=True)
class Classification:
    """What `Client.classify` reads off images.

    Attributes:
        class_names: one a class.
        scores: probabilities, float32 (images, classes).
        class_ids: the likeliest class, int64 (images,).
    """

    class_names: Sequence[str]
    scores: np.ndarray
    class_ids: np.ndarray

    @property
    def labels(self) -> list[str]:
        """The likeliest class of each image, by name."""
        return [self.class_names[number] for number in self.class_ids]


@dataclass(frozen=True)
class VersionStatus:
    """A version of a model on the server.

    Attributes:
        version: its number.
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        code: OK, or the status it failed with.
        message: why it failed, or nothing.
    """

    version: int
    state: str
    code: str = "OK"
    message: str = ""


@dataclass(frozen=True)
class Tensor:
    """An input or output: dtype by NumPy's name ("string" for bytes), -1 for an open dimension.

    `shape` is None where the rank is open too.
    """

    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Signature:
    """The tensors of a call, by name."""

    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    outputs: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelMetadata:
    """What a served version says of itself; `signatures` by name, TensorFlow's own among them."""

    name: str
    version: int
    signatures: Mapping[str, Signature]

    @property
    def offered(self) -> dict[str, Signature]:
        """Its signatures but TensorFlow's own, which nobody can call."""
        return {
            name: signature
            for name, signature in self.signatures.items()
            if not name.startswith("__")
        }


# tensorflow.DataType -> NumPy; what is not here keeps TensorFlow's name.
_NAMES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_HALF": "float16",
    "DT_BOOL": "bool",
    "DT_STRING": "string",
    **{f"DT_{name.upper()}": name for name in ("int8", "int16", "int32", "int64")},
    **{f"DT_{name.upper()}": name for name in ("uint8", "uint16", "uint32", "uint64")},
}


def dtype_name(data_type: str) -> str:
    """NumPy's name of a tensorflow.DataType, itself given by name."""
    return _NAMES.get(data_type, data_type)
