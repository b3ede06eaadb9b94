"""Predict on a servable, message to message.

Checks, their order and their words are TensorFlow Serving's (predict_util.cc).
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving.calls import Call
from serving.codec import UnreadTensor, encode_into
from serving.errors import MAX_MESSAGE, failed_precondition, invalid

DEFAULT_SIGNATURE = "serving_default"
_MOST_NAMED = 1000


@dataclass(frozen=True)
class Settings:
    """How tensors travel: `max_bytes` a request's may take, `as_content` how answers are sent."""

    max_bytes: int
    as_content: bool = False


@dataclass(frozen=True)
class Question:
    """What a `PredictRequest` asks of a signature.

    Attributes:
        signature: its name.
        definition: the `SignatureDef`.
        unread: its inputs by alias.
        output_filter: the outputs asked for; empty for all.
    """

    signature: str
    definition: meta_graph_pb2.SignatureDef
    unread: dict[str, UnreadTensor]
    output_filter: Sequence[str]

    @property
    def memory(self) -> int:
        """Bytes of memory that its inputs take, without the characters of strings sent."""
        return sum(tensor.memory for tensor in self.unread.values())

    def inputs(self) -> dict:
        """{alias: array}, read and checked against the signature; raises as `predict`."""
        arrays = {alias: tensor.array() for alias, tensor in self.unread.items()}
        # In TensorFlow Serving it is the graph that refuses a dtype, after all else.
        _check_filter(self.definition, self.output_filter)
        _check_kinds(self.definition, self.unread)
        return arrays

    def picked(self, outputs: dict) -> dict:
        """Those of the signature's outputs that are wanted."""
        wanted = self.output_filter or sorted(self.definition.outputs)
        return {alias: outputs[alias] for alias in wanted}

    def run(self, runner, servable, call: Call) -> dict:
        """{alias: array} of the outputs wanted, run in this thread; arguments as `predict`'s."""
        return self.picked(runner.run(servable, self.signature, self.inputs(), call))


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
    outputs = asked.run(runner, servable, call)
    return response(servable, asked.signature, outputs, settings)


def question(servable, request, settings: Settings) -> Question:
    """What a `PredictRequest` asks of a servable, its tensors looked at and not yet read.

    Arguments are those of `predict`, and so are errors, but for those of `Question.inputs`.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    definition = servable.signature(
        name, lambda name: failed_precondition(f'Serving signature key "{name}" not found.')
    )
    unread = _unread(definition, request.inputs, settings)
    return Question(name, definition, unread, request.output_filter)


def response(servable, signature: str, outputs: dict, settings: Settings):
    """The `PredictResponse` of a signature's outputs, {alias: array}."""
    message = predict_pb2.PredictResponse()
    for alias, array in outputs.items():
        encode_into(message.outputs[alias], array, settings.as_content)
    fill_spec(message.model_spec, servable, signature)
    return message


def fill_spec(spec, servable, signature: str) -> None:
    """Writes into a `ModelSpec` who answered."""
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature


def _unread(definition, protos, settings):
    """{alias: tensor} of a request: those that the signature has."""
    expected = definition.inputs
    if len(protos) != len(expected):
        # A message has room for millions, of which an answer shows some hundred: any, where
        # TensorFlow Serving shows the first.
        got = list(itertools.islice(protos, _MOST_NAMED))
        raise invalid(
            f"input size does not match signature: {len(protos)}!={len(expected)} "
            f"len({braced(got)}) != len({braced(expected)}). "
            f"Sent extra: {braced(name for name in got if name not in expected)}. "
            f"Missing but required: {braced(name for name in expected if name not in protos)}."
        )
    for alias in sorted(expected):
        if alias not in protos:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {expected[alias].name}) not found in "
                "request and no default value provided. Inputs expected to be in the request "
                f"{braced(protos)}."
            )
    unread, left = {}, settings.max_bytes
    for alias in sorted(expected):
        unread[alias] = UnreadTensor(protos[alias], alias, left)
        left -= unread[alias].memory
    return unread


def _check_filter(definition, aliases):
    """Whether the outputs asked for are the signature's, each once."""
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


def _check_kinds(definition, unread):
    """Whether the inputs' dtypes are the signature's."""
    for place, alias in enumerate(sorted(unread)):
        expected, got = definition.inputs[alias].dtype, unread[alias].kind
        if got.as_datatype_enum != expected:
            wanted = kind_name(tf.dtypes.as_dtype(expected))
            raise invalid(f"Expects arg[{place}] to be {wanted} but {kind_name(got)} is provided")


def kind_name(kind: tf.DType) -> str:
    """A dtype as TensorFlow's C++ prints it."""
    return {"float32": "float", "float64": "double", "float16": "half"}.get(kind.name, kind.name)


def braced(names: Iterable[str]) -> str:
    """Names as TensorFlow Serving lists them: {a,b}."""
    # A message keeps no more of one.
    return "{" + ",".join(sorted(name[:MAX_MESSAGE] for name in names)) + "}"
