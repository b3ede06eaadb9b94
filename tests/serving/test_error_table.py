"""Every row of the contract's table of errors, code and message, over a real connection."""

import re

import grpc
import numpy as np
import pytest
import tensorflow as tf
from servers import predict_request, row
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)
from test_model_server import add_example, rest
from zoo import HALF_PLUS_TWO, SLOW, VERSION

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
X = {"x": row(2)}


def named(message, name=HALF_PLUS_TWO, signature="", **spec):
    message.model_spec.name = name
    message.model_spec.signature_name = signature
    for field, value in spec.items():
        if field == "version":
            message.model_spec.version.value = value
        else:
            setattr(message.model_spec, field, value)
    return message


def malformed():
    request = predict_request(HALF_PLUS_TWO, X)
    request.inputs["x"].tensor_content = b"123"
    request.inputs["x"].ClearField("float_val")
    return request


def metadata(*fields):
    return named(get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields))


def classification(signature="classify_x_to_y"):
    return named(classification_pb2.ClassificationRequest(), signature=signature)


def multi(*signatures, method="tensorflow/serving/classify", names=(HALF_PLUS_TWO,)):
    request = add_example(inference_pb2.MultiInferenceRequest())
    for number, signature in enumerate(signatures):
        task = named(request.tasks.add(), names[number % len(names)], signature)
        task.method_name = method
    return request


def label(name):
    return named(predict_pb2.PredictRequest(), version_label=name)


PREDICT = {
    "no model_spec": (predict_pb2.PredictRequest(), INVALID, "Missing ModelSpec"),
    "empty name": (
        named(predict_pb2.PredictRequest(), name=""),
        INVALID,
        "ModelSpec has no name specified.",
    ),
    "unknown model": (
        predict_request("stranger", X),
        NOT_FOUND,
        "Servable not found for request: Latest(stranger)",
    ),
    "unknown version": (
        predict_request(HALF_PLUS_TWO, X, version=99),
        NOT_FOUND,
        f"Servable not found for request: Specific({HALF_PLUS_TWO}, 99)",
    ),
    "unknown label": (label("canary"), INVALID, "Unrecognized servable version label: canary"),
    "unknown signature": (
        predict_request(HALF_PLUS_TWO, X, "nothing"),
        grpc.StatusCode.FAILED_PRECONDITION,
        'Serving signature key "nothing" not found.',
    ),
    "too few inputs": (
        predict_request(HALF_PLUS_TWO, {}),
        INVALID,
        "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. "
        "Missing but required: {x}.",
    ),
    "too many inputs": (
        predict_request(HALF_PLUS_TWO, {"x": row(1), "z": row(1), "a": row(1)}),
        INVALID,
        "input size does not match signature: 3!=1 len({a,x,z}) != len({x}). "
        "Sent extra: {a,z}. Missing but required: {}.",
    ),
    "wrong key": (
        predict_request(HALF_PLUS_TWO, {"z": row(1)}),
        INVALID,
        "Signature input alias: x(feed name: x:0) not found in request and no default value "
        "provided. Inputs expected to be in the request {z}.",
    ),
    "malformed tensor": (malformed(), INVALID, "tensor parsing error: x"),
    "wrong dtype": (
        predict_request(HALF_PLUS_TWO, {"x": np.array([1], np.int32)}),
        INVALID,
        "Expects arg[0] to be float but int32 is provided",
    ),
    "wrong shape": (
        predict_request("tensors", {"image": np.zeros((1, 3, 2), np.float32)}, "checked"),
        INVALID,
        "Shape of tensor .* [1,3,2] is not compatible with expected shape [?,2,2].",
    ),
    "unknown output": (
        predict_request(HALF_PLUS_TWO, X, output_filter=["z"]),
        INVALID,
        "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
    ),
    "repeated output": (
        predict_request(HALF_PLUS_TWO, X, output_filter=["y", "y"]),
        INVALID,
        "duplicate output tensor alias: y",
    ),
}
OTHERS = {
    "classify signature": (
        "Classify",
        add_example(classification("nothing")),
        INVALID,
        "No signature was found with the name: nothing",
    ),
    "classify empty": ("Classify", classification(), INVALID, "Input is empty."),
    "classify a predict signature": (
        "Classify",
        add_example(classification("serving_default")),
        grpc.StatusCode.FAILED_PRECONDITION,
        "No classification inputs found in SignatureDef: serving_default {x}",
    ),
    "classify without spec": (
        "Classify",
        classification_pb2.ClassificationRequest(),
        INVALID,
        "Missing ModelSpec",
    ),
    "regress signature": (
        "Regress",
        add_example(named(regression_pb2.RegressionRequest(), signature="nothing")),
        INVALID,
        "No signature was found with the name: nothing",
    ),
    "regress empty": (
        "Regress",
        named(regression_pb2.RegressionRequest(), signature="regress_x_to_y"),
        INVALID,
        "Input is empty.",
    ),
    "inference without tasks": (
        "MultiInference",
        inference_pb2.MultiInferenceRequest(),
        INVALID,
        "Missing ModelSpec",
    ),
    "inference of two models": (
        "MultiInference",
        multi("classify_x_to_y", "regress_x_to_y", names=(HALF_PLUS_TWO, "half_plus_three")),
        INVALID,
        "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
    ),
    "inference twice": (
        "MultiInference",
        multi("classify_x_to_y", "classify_x_to_y"),
        INVALID,
        "Duplicate evaluation of signature: classify_x_to_y",
    ),
    "inference of another method": (
        "MultiInference",
        multi("classify_x_to_y", method="tensorflow/serving/predict"),
        grpc.StatusCode.UNIMPLEMENTED,
        "Unsupported signature method_name: tensorflow/serving/predict",
    ),
    "inference signature": (
        "MultiInference",
        multi("nothing"),
        INVALID,
        "Requested signature not found in model graph: nothing",
    ),
    "metadata without field": (
        "GetModelMetadata",
        metadata(),
        INVALID,
        "GetModelMetadataRequest must specify at least one metadata_field",
    ),
    "metadata with another field": (
        "GetModelMetadata",
        metadata("weights"),
        INVALID,
        "Metadata field weights is not supported",
    ),
    "metadata of an unknown model": (
        "GetModelMetadata",
        named(
            get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]),
            "stranger",
        ),
        NOT_FOUND,
        "Servable not found for request: Latest(stranger)",
    ),
    "status without spec": (
        "GetModelStatus",
        get_model_status_pb2.GetModelStatusRequest(),
        INVALID,
        "Missing ModelSpec",
    ),
    "status of an unknown model": (
        "GetModelStatus",
        named(get_model_status_pb2.GetModelStatusRequest(), "stranger"),
        NOT_FOUND,
        "Could not find any versions of model stranger",
    ),
    "status of an unknown version": (
        "GetModelStatus",
        named(get_model_status_pb2.GetModelStatusRequest(), version=9),
        NOT_FOUND,
        f"Could not find version 9 of model {HALF_PLUS_TWO}",
    ),
    "reload without a list": (
        "HandleReloadConfigRequest",
        model_management_pb2.ReloadConfigRequest(),
        INVALID,
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList "
        "is currently supported",
    ),
}


def refused(method, request, **options):
    with pytest.raises(grpc.RpcError) as error:
        method(request, timeout=20, **options)
    return error.value


def check(error, code, message):
    pattern = re.escape(message).replace(r"\.\*", ".*")
    assert re.fullmatch(pattern, error.details()), error.details()
    assert error.code() == code


@pytest.mark.parametrize("case", PREDICT)
def test_predict(server, case):
    request, code, message = PREDICT[case]
    check(refused(server.prediction.Predict, request), code, message)


@pytest.mark.parametrize("case", OTHERS)
def test_other_methods(server, case):
    method, request, code, message = OTHERS[case]
    stub = server.prediction if hasattr(server.prediction, method) else server.models
    check(refused(getattr(stub, method), request), code, message)


def test_empty_batch(server):
    outputs = server.predict("keras_classifier", {input_name(server): np.zeros((0, 4), "f4")})
    (scores,) = outputs.values()
    assert scores.shape == (0, 3)


def input_name(server):
    """The one input of the Keras classifier, which Keras names."""
    status, body = rest(server, "keras_classifier/metadata")
    assert status == 200
    (name,) = body["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
    return name


def test_plain_keras_classifier(server):
    outputs = server.predict("keras_classifier", {input_name(server): np.eye(4, dtype="f4")[:1]})
    (scores,) = outputs.values()
    expected = np.exp([[1, 0, 0]])
    np.testing.assert_allclose(scores, expected / expected.sum(), atol=1e-6)


def test_deadline(server):
    request = predict_request(SLOW, {"steps": np.array([100_000], np.int32)})
    with pytest.raises(grpc.RpcError) as error:
        server.prediction.Predict(request, timeout=0.5)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_long_messages_are_cut(server):
    names = {f"input_{number:04d}": row(1) for number in range(200)}
    error = refused(server.prediction.Predict, predict_request(HALF_PLUS_TWO, names))
    assert error.code() == INVALID
    assert len(error.details()) == 1024
    assert error.details().endswith("...TRUNCATED")


def test_answers_come_in_value_fields(server):
    request = predict_request("tensors", {"a": row(1, 2), "b": row(3, 4)}, "sum")
    response = server.prediction.Predict(request, timeout=20)
    assert list(response.outputs["sum"].float_val) == [4, 6]
    assert not response.outputs["sum"].tensor_content


def test_answers_in_content_where_asked(ours, server):
    request = predict_request("tensors", {"a": row(1, 2), "b": row(3, 4)}, "sum")
    response = server.prediction.Predict(request, metadata=(("x-tensor-content", "1"),))
    assert response.outputs["sum"].tensor_content == row(4, 6).tobytes()
    assert not response.outputs["sum"].float_val


def test_output_filter_chooses(server):
    inputs = {"a": row(1), "b": row(2)}
    assert set(server.predict("tensors", inputs, "sum", output_filter=["a"])) == {"a"}
    assert set(server.predict("tensors", inputs, "sum")) == {"a", "sum"}


def test_every_kind_of_tensor(server):
    from zoo import KINDS

    draws = np.random.default_rng(0)
    inputs = {name: sample(draws, kind) for name, kind in KINDS.items()}
    outputs = server.predict("tensors", inputs)
    for name, value in inputs.items():
        assert outputs[name].dtype == np.asarray(value).dtype, name
        if value.dtype == object:
            np.testing.assert_array_equal(outputs[name], value, err_msg=name)
        else:
            # By their bytes, since NaN equals nothing.
            assert outputs[name].tobytes() == value.tobytes(), name


def sample(draws, kind):
    """An array (2, 3) of a kind, its extremes among it."""
    if kind == "string":
        return np.array([[b"", b"\x00\xff", b"a"], [b"b\x00", b"\n", b"z" * 300]], object)
    kind = tf.dtypes.as_dtype(kind)
    if kind.is_bool:
        return np.array([[True, False, True], [False, False, True]])
    if kind.is_integer:
        low, high = kind.min, kind.max
        return np.array([[low, high, 0], [1, high // 2, low // 2]], kind.as_numpy_dtype)
    values = draws.normal(size=(2, 3)) * 1e3
    if not kind.is_complex:
        values[0] = (np.inf, -np.inf, np.nan)
    return values.astype(kind.as_numpy_dtype)


# REST ---------------------------------------------------------------------------------------

REST = {
    "unknown model": (
        "stranger:predict",
        {"instances": [1]},
        404,
        "Servable not found for request: Latest(stranger)",
    ),
    "unknown version": (
        f"{HALF_PLUS_TWO}/versions/9:predict",
        {"instances": [1]},
        404,
        f"Servable not found for request: Specific({HALF_PLUS_TWO}, 9)",
    ),
    "unknown label": (
        f"{HALF_PLUS_TWO}/labels/canary:predict",
        {"instances": [1]},
        400,
        "Unrecognized servable version label: canary",
    ),
    "unknown signature": (
        f"{HALF_PLUS_TWO}:predict",
        {"instances": [1], "signature_name": "nothing"},
        400,
        'Serving signature name: "nothing" not found in signature def',
    ),
    "both forms": (f"{HALF_PLUS_TWO}:predict", {"instances": [1], "inputs": [1]}, 400, ".*both.*"),
    "neither form": (
        f"{HALF_PLUS_TWO}:predict",
        {},
        400,
        "Missing 'inputs' or 'instances' key",
    ),
    "not JSON": (f"{HALF_PLUS_TWO}:predict", b"{", 400, "JSON Parse error: .*"),
    "wrong type": (
        f"{HALF_PLUS_TWO}:predict",
        {"instances": ["two"]},
        400,
        'JSON Value: "two" Type: String is not of expected type: float.*',
    ),
    "bool for a number": (
        f"{HALF_PLUS_TWO}:predict",
        {"instances": [True]},
        400,
        "JSON Value: true Type: True is not of expected type: float.*",
    ),
    "ragged": (
        f"{HALF_PLUS_TWO}:predict",
        {"instances": [[1], [1, 2]]},
        400,
        "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
    ),
    "a name too many": (
        f"{HALF_PLUS_TWO}:predict",
        {"instances": [{"x": 1, "z": 2}]},
        400,
        "JSON object: does not have named input: z",
    ),
    "a plain list for two inputs": (
        "tensors:predict",
        {"instances": [1], "signature_name": "sum"},
        400,
        "instances is a plain list, but expecting list of objects as multiple input tensors.*",
    ),
    "bad base64": (
        "tensors:predict",
        {"signature_name": "bytes", "instances": [{"b64": "§"}]},
        400,
        "Unable to base64 decode",
    ),
    "no examples": (f"{HALF_PLUS_TWO}:classify", {}, 400, "Missing 'examples' key.*"),
    "a signature for another method": (
        f"{HALF_PLUS_TWO}:classify",
        {"signature_name": "serving_default", "examples": [{"x": 1.0}]},
        412,
        "No classification inputs found in SignatureDef: serving_default {x}",
    ),
    "another method": (
        f"{HALF_PLUS_TWO}:explain",
        {},
        400,
        f"Malformed request: POST /v1/models/{HALF_PLUS_TWO}:explain",
    ),
    "status of an unknown model": (
        "stranger",
        None,
        404,
        "Could not find any versions of model stranger",
    ),
    "status of an unknown version": (
        f"{HALF_PLUS_TWO}/versions/9",
        None,
        404,
        f"Could not find version 9 of model {HALF_PLUS_TWO}",
    ),
    "metadata of an unknown model": (
        "stranger/metadata",
        None,
        404,
        "Servable not found for request: Latest(stranger)",
    ),
}


@pytest.mark.parametrize("case", REST)
def test_rest(server, case):
    path, body, code, message = REST[case]
    status, answer = rest(server, path, body)
    assert status == code, answer
    assert list(answer) == ["error"]
    assert re.fullmatch(re.escape(message).replace(r"\.\*", ".*"), answer["error"]), answer


def test_versions_are_told(server):
    assert rest(server, HALF_PLUS_TWO)[1]["model_version_status"][0]["version"] == str(VERSION)
