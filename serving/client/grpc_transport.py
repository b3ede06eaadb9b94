"""Calls by gRPC. Heavy: `tensorflow_serving.apis` imports TensorFlow."""

import re
from collections.abc import Callable, Mapping, Sequence

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving import codec
from serving.client.answers import (
    Answer,
    ModelMetadata,
    ModelSpec,
    Signature,
    Tensor,
    VersionStatus,
    dtype_name,
)
from serving.client.errors import CallError, refused_size, too_large
from serving.client.limits import Limits
from serving.client.tls import Tls

# What an answer's array may take in memory.
_MOST_BYTES = 2**31
# TF Serving does not know it, and answers as it always does.
_METADATA = ((codec.CONTENT_METADATA, "1"),)
_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_OVERSIZE = re.compile(r"message larger than max \((\d+) vs\. (\d+)\)")


class GrpcTransport:
    """A connection to `host:port`, shared by threads.

    Every method takes the seconds it may last, and raises `CallError`.
    """

    def __init__(self, address: str, tls: Tls | None, limits: Limits):
        self.limits = limits
        self._channel = _channel(address, tls, limits)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def predict(
        self,
        spec: ModelSpec,
        inputs: Mapping[str, np.ndarray],
        timeout: float,
        outputs: Sequence[str] = (),
    ) -> Answer:
        """Arrays for arrays; `outputs` chooses among the signature's, all by default."""
        answer = self._call(self._predictions.Predict, _request(spec, inputs, outputs), timeout)
        arrays = {
            name: codec.decode(tensor, name, _MOST_BYTES) for name, tensor in answer.outputs.items()
        }
        return Answer(arrays, answer.model_spec.version.value)

    def prepared(
        self, spec: ModelSpec, inputs: Mapping[str, np.ndarray]
    ) -> Callable[[float], object]:
        """`predict` as a function of its timeout that encodes nothing and decodes nothing."""
        request = _request(spec, inputs).SerializeToString()
        # Without functions to write and read, both messages are bytes.
        method = self._channel.unary_unary(_PREDICT)
        return lambda timeout: self._send(method, request, len(request), timeout)

    def classify(
        self, spec: ModelSpec, examples: Sequence[Mapping[str, bytes]], timeout: float
    ) -> list[list[tuple[str, float]]]:
        """(class, score) pairs of each example, itself bytes by feature."""
        request = classification_pb2.ClassificationRequest()
        _fill(request.model_spec, spec)
        for example in examples:
            features = request.input.example_list.examples.add().features.feature
            for name, value in example.items():
                features[name].bytes_list.value.append(value)
        answer = self._call(self._predictions.Classify, request, timeout)
        return [
            [(one.label, one.score) for one in row.classes] for row in answer.result.classifications
        ]

    def status(self, spec: ModelSpec, timeout: float) -> list[VersionStatus]:
        request = get_model_status_pb2.GetModelStatusRequest()
        _fill(request.model_spec, spec)
        # The one request that knows no signature.
        request.model_spec.ClearField("signature_name")
        answer = self._call(self._models.GetModelStatus, request, timeout)
        states = get_model_status_pb2.ModelVersionStatus.State
        return [
            VersionStatus(
                one.version,
                states.Name(one.state),
                _code_name(one.status.error_code),
                one.status.error_message,
            )
            for one in answer.model_version_status
        ]

    def metadata(self, spec: ModelSpec, timeout: float) -> ModelMetadata:
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        _fill(request.model_spec, spec)
        request.model_spec.ClearField("signature_name")
        answer = self._call(self._predictions.GetModelMetadata, request, timeout)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        return ModelMetadata(
            answer.model_spec.name,
            answer.model_spec.version.value,
            {
                name: Signature(_tensors(one.inputs), _tensors(one.outputs))
                for name, one in sorted(signatures.signature_def.items())
            },
        )

    def _call(self, method, request, timeout: float):
        return self._send(method, request, request.ByteSize(), timeout)

    def _send(self, method, request, size: int, timeout: float):
        if size > self.limits.message_bytes:
            raise too_large("request", self.limits.message_bytes, size)
        try:
            return method(request, timeout=timeout, metadata=_METADATA)
        except grpc.RpcError as error:
            raise _call_error(error, self.limits) from error


def _channel(address: str, tls: Tls | None, limits: Limits) -> grpc.Channel:
    options = [
        ("grpc.max_send_message_length", limits.message_bytes),
        ("grpc.max_receive_message_length", limits.message_bytes),
        # One policy for both transports is in `retrying`; gRPC's own would also send again what
        # is too large.
        ("grpc.enable_retries", 0),
        # Where the name has several addresses, each in turn.
        ("grpc.lb_policy_name", "round_robin"),
        # A server that starts is found when it is there, and not a minute later.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
    ]
    if tls is None:
        return grpc.insecure_channel(address, options)
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(*tls.read()), options)


def _call_error(error: grpc.RpcError, limits: Limits) -> CallError:
    details = error.details() or ""
    found = _OVERSIZE.search(details)
    if not found:
        return CallError(error.code(), details)
    size, most = int(found[1]), int(found[2])
    # gRPC says which side it was, but for servers of older versions.
    if "SERVER" not in details and most == limits.message_bytes:
        return too_large("answer", most, size)
    return refused_size(f"a message of {size} bytes, where it takes {most}")


def _request(spec, inputs, outputs=()) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest(output_filter=outputs)
    _fill(request.model_spec, spec)
    for name, rows in inputs.items():
        # Of an array this makes tensor_content: packed bytes, the fastest to read.
        request.inputs[name].CopyFrom(tf.make_tensor_proto(rows))
    return request


def _fill(message, spec: ModelSpec) -> None:
    message.name, message.signature_name = spec.name, spec.signature
    if spec.version is not None:
        message.version.value = spec.version
    if spec.label is not None:
        message.version_label = spec.label


def _tensors(infos) -> dict[str, Tensor]:
    return {
        name: Tensor(
            dtype_name(types_pb2.DataType.Name(info.dtype)),
            None
            if info.tensor_shape.unknown_rank
            else tuple(size.size for size in info.tensor_shape.dim),
        )
        for name, info in sorted(infos.items())
    }


def _code_name(number: int) -> str:
    names = {code.value[0]: code.name for code in grpc.StatusCode}
    return names.get(number, str(number))
