"""Predict on a servable, message to message.

Checks, their order and their words are TensorFlow Serving's (predict_util.cc).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from serving.calls import Call
from serving.codec import decode, encode, memory
from serving.errors import failed_precondition, invalid

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Settings:
    """How tensors travel: `max_bytes` a request's may take, `as_content` how answers are sent."""

    max_bytes: int
    as_content: bool = False


@dataclass(frozen=True)
class Question:
    """What a `PredictRequest` asks: a signature, its inputs as {alias: array}, outputs wanted."""

    signature: str
    inputs: dict
    wanted: list[str]

    def picked(self, outputs: dict) -> dict:
        """Those of the signature's outputs that are wanted."""
        return {alias: outputs[alias] for alias in self.wanted}


def predict(runner, servable, request, call: Call, settings: Settings):
    """A `PredictResponse`.

    Args:
        runner: runs a signature, alone or in batches: `run(servable, signature, inputs, call)`.
        servable: the version that answers.
        request: a `PredictRequest`.
        call: the request's deadline and cancellation.
        settings: how tensors travel.

    Raises:
        ServingError: as contract and TensorFlow Serving have it.
    """
    asked = question(servable, request, settings)
    outputs = asked.picked(runner.run(servable, asked.signature, asked.inputs, call))
    return response(servable, asked.signature, outputs, settings)


def question(servable, request, settings: Settings) -> Question:
    """What a `PredictRequest` asks of a servable; arguments and errors as `predict`'s."""
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    definition = servable.signature(
        name, lambda name: failed_precondition(f'Serving signature key "{name}" not found.')
    )
    inputs = _inputs(definition, request.inputs, settings)
    return Question(name, inputs, _filter(definition, request.output_filter))


def response(servable, signature: str, outputs: dict, settings: Settings):
    """The `PredictResponse` of a signature's outputs, {alias: array}."""
    message = predict_pb2.PredictResponse()
    for alias, array in outputs.items():
        message.outputs[alias].CopyFrom(encode(array, settings.as_content))
    fill_spec(message.model_spec, servable, signature)
    return message


def fill_spec(spec, servable, signature: str) -> None:
    """Writes into a `ModelSpec` who answered."""
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature


def _inputs(definition, protos, settings):
    """{alias: array} of a request, checked against the signature."""
    expected = definition.inputs
    if len(protos) != len(expected):
        got, wanted = sorted(protos), sorted(expected)
        raise invalid(
            f"input size does not match signature: {len(got)}!={len(wanted)} "
            f"len({braced(got)}) != len({braced(wanted)}). "
            f"Sent extra: {braced(set(got) - set(wanted))}. "
            f"Missing but required: {braced(set(wanted) - set(got))}."
        )
    for alias in sorted(expected):
        if alias not in protos:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {expected[alias].name}) not found in "
                "request and no default value provided. Inputs expected to be in the request "
                f"{braced(protos)}."
            )
    arrays, left = {}, settings.max_bytes
    for place, alias in enumerate(sorted(expected)):
        arrays[alias] = decode(protos[alias], alias, left)
        left -= memory(arrays[alias])
        if protos[alias].dtype != expected[alias].dtype:
            kind, got = (tf.dtypes.as_dtype(of[alias].dtype) for of in (expected, protos))
            raise invalid(
                f"Expects arg[{place}] to be {kind_name(kind)} but {kind_name(got)} is provided"
            )
    return arrays


def _filter(definition, aliases):
    """The outputs asked for: all where nothing is said."""
    seen = set()
    for alias in aliases:
        if alias not in definition.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in "
                f"the set {braced(definition.outputs)}."
            )
        if alias in seen:
            raise invalid(f"duplicate output tensor alias: {alias}")
        seen.add(alias)
    return list(aliases) or sorted(definition.outputs)


def kind_name(kind: tf.DType) -> str:
    """A dtype as TensorFlow's C++ prints it."""
    return {"float32": "float", "float64": "double", "float16": "half"}.get(kind.name, kind.name)


def braced(names: Iterable[str]) -> str:
    """Names as TensorFlow Serving lists them: {a,b}."""
    return "{" + ",".join(sorted(names)) + "}"
