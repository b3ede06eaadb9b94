"""TensorFlow Serving's own integration tests (tensorflow_model_server_test.py), under its names."""

import base64
import json
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
import tensorflow as tf
from servers import predict_request, row, running_app, running_process
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    regression_pb2,
)
from zoo import HALF_PLUS_THREE, HALF_PLUS_TWO, VERSION, models_config

BATCHING = """
max_batch_size { value: 8 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
allowed_batch_sizes: 2
allowed_batch_sizes: 8
"""


def fill(request, signature=""):
    request.model_spec.name = HALF_PLUS_TWO
    request.model_spec.signature_name = signature
    return request


def add_example(request, x=2.0):
    example = request.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.append(x)
    return request


def rest(server, path, body=None):
    """(status, parsed body) of a request to /v1/models/...; POST where there is a body."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{server.rest}/v1/models/{path}", data)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def verify_spec(spec, name, signature, version=VERSION):
    assert (spec.name, spec.signature_name, spec.version.value) == (name, signature, version)


def verify_predict(server, model, expected, specify_output=True):
    fields = {"output_filter": ["y"]} if specify_output else {}
    request = predict_request(model, {"x": row(2)}, **fields)
    # As their test sends it: in float_val, with one dimension where the signature has two.
    request.inputs["x"].CopyFrom(
        tf.make_tensor_proto([2.0]) if specify_output else request.inputs["x"]
    )
    response = server.prediction.Predict(request, timeout=20)
    assert response.outputs["y"].dtype == tf.float32.as_datatype_enum
    assert list(response.outputs["y"].float_val) == [expected]
    assert not response.outputs["y"].tensor_content
    verify_spec(response.model_spec, model, "serving_default")


def test_get_model_status(server):
    request = fill(get_model_status_pb2.GetModelStatusRequest())
    response = server.models.GetModelStatus(request, timeout=20)
    (status,) = response.model_version_status
    assert status.version == VERSION
    assert status.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert status.status.error_code == 0


def test_get_model_metadata(server):
    request = fill(get_model_metadata_pb2.GetModelMetadataRequest())
    request.metadata_field.append("signature_def")
    response = server.prediction.GetModelMetadata(request, timeout=20)
    verify_spec(response.model_spec, HALF_PLUS_TWO, "")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "regress_x_to_y", "classify_x_to_y"} <= set(signatures.signature_def)
    default = signatures.signature_def["serving_default"]
    assert default.inputs["x"].name == "x:0"
    assert default.method_name == "tensorflow/serving/predict"


def test_classify(server):
    request = add_example(fill(classification_pb2.ClassificationRequest(), "classify_x_to_y"))
    response = server.prediction.Classify(request, timeout=20)
    (classification,) = response.result.classifications
    assert [one.score for one in classification.classes] == [3.0]
    verify_spec(response.model_spec, HALF_PLUS_TWO, "classify_x_to_y")


def test_regress(server):
    request = add_example(fill(regression_pb2.RegressionRequest(), "regress_x_to_y"))
    response = server.prediction.Regress(request, timeout=20)
    assert [one.value for one in response.result.regressions] == [3.0]
    verify_spec(response.model_spec, HALF_PLUS_TWO, "regress_x_to_y")


def test_multi_inference(server):
    request = add_example(inference_pb2.MultiInferenceRequest())
    for method in ("regress", "classify"):
        task = fill(request.tasks.add(), f"{method}_x_to_y")
        task.method_name = f"tensorflow/serving/{method}"
    response = server.prediction.MultiInference(request, timeout=20)
    regressed, classified = response.results
    assert [one.value for one in regressed.regression_result.regressions] == [3.0]
    (classification,) = classified.classification_result.classifications
    assert [one.score for one in classification.classes] == [3.0]
    verify_spec(regressed.model_spec, HALF_PLUS_TWO, "regress_x_to_y")
    verify_spec(classified.model_spec, HALF_PLUS_TWO, "classify_x_to_y")


def test_example_list_with_context(server):
    request = fill(regression_pb2.RegressionRequest(), "regress_x_to_y")
    kind = request.input.example_list_with_context
    kind.context.features.feature["x"].float_list.value.append(2.0)
    kind.examples.add()
    kind.examples.add().features.feature["x"].float_list.value.append(6.0)
    response = server.prediction.Regress(request, timeout=20)
    assert [one.value for one in response.result.regressions] == [3.0, 5.0]


@pytest.mark.parametrize("specify_output", [True, False])
def test_predict_saved_model(server, specify_output):
    verify_predict(server, HALF_PLUS_TWO, 3.0, specify_output)


def test_predict_batching(ours, zoo, tmp_path):
    parameters = tmp_path / "batching_config.txt"
    parameters.write_text(BATCHING)
    with running_app(
        model_config_file=str(zoo / "models.config"),
        enable_batching=True,
        batching_parameters_file=str(parameters),
    ) as server:
        verify_predict(server, HALF_PLUS_TWO, 3.0)
        x = row(2, 4, 6).reshape(3, 1)
        np.testing.assert_array_equal(server.predict(HALF_PLUS_TWO, {"x": x})["y"], x / 2 + 2)
        request = add_example(fill(regression_pb2.RegressionRequest(), "regress_x_to_y"))
        response = server.prediction.Regress(request, timeout=20)
        assert [one.value for one in response.result.regressions] == [3.0]


def test_bad_model(ours, tmp_path):
    (tmp_path / "bad" / "1").mkdir(parents=True)
    arguments = ("--model-base-path", tmp_path / "bad", "--model-name", "default")
    with running_process(*arguments, ready=False) as process:
        assert process.wait() == 1
        assert "Could not find SavedModel .pb" in process.text
        assert "Traceback" not in process.text


def test_good_model_config(server):
    for specify_output in (True, False):
        verify_predict(server, HALF_PLUS_TWO, 3.0, specify_output)
        verify_predict(server, HALF_PLUS_THREE, 4.0, specify_output)


def test_bad_model_config(ours, tmp_path):
    config = tmp_path / "bad_model_config.txt"
    config.write_text('improperly formatted file {\n "half_plus_two"\n')
    with running_process("--model-config-file", config, ready=False) as process:
        assert process.wait() == 2
        assert f"Invalid protobuf file: '{config}'" in process.text


def reload_names(zoo, names):
    request = model_management_pb2.ReloadConfigRequest()
    for name in names:
        request.config.model_config_list.config.add(
            name=name, base_path=str(zoo / name), model_platform="tensorflow"
        )
    return request


def test_model_config_reload(ours, zoo, tmp_path):
    config = tmp_path / "models.config"
    config.write_text(models_config(zoo, [HALF_PLUS_TWO]))
    with running_app(
        model_config_file=str(config), model_config_file_poll_wait_seconds=0.05
    ) as server:
        verify_predict(server, HALF_PLUS_TWO, 3.0)
        with pytest.raises(grpc.RpcError, match="Servable not found for request: Latest"):
            verify_predict(server, HALF_PLUS_THREE, 4.0)
        config.write_text(models_config(zoo, [HALF_PLUS_THREE]))
        wait_for(server, HALF_PLUS_THREE)
        verify_predict(server, HALF_PLUS_THREE, 4.0)
        wait_for(server, HALF_PLUS_TWO, gone=True)
        # As a file is for a moment while it is saved.
        config.write_text("")
        server.app._source._look_at_file()
        verify_predict(server, HALF_PLUS_THREE, 4.0)


def test_model_config_reload_with_zero_poll_period(ours, zoo, tmp_path):
    config = tmp_path / "models.config"
    config.write_text(models_config(zoo, [HALF_PLUS_TWO]))
    with running_app(
        model_config_file=str(config), model_config_file_poll_wait_seconds=0
    ) as server:
        verify_predict(server, HALF_PLUS_TWO, 3.0)
        config.write_text(models_config(zoo, [HALF_PLUS_TWO, HALF_PLUS_THREE]))
        with pytest.raises(grpc.RpcError, match="Servable not found"):
            wait_for(server, HALF_PLUS_THREE, seconds=0.5)
        server.models.HandleReloadConfigRequest(
            reload_names(zoo, [HALF_PLUS_TWO, HALF_PLUS_THREE]), timeout=20
        )
        # Loaded by the time the answer comes.
        verify_predict(server, HALF_PLUS_THREE, 4.0)
        verify_predict(server, HALF_PLUS_TWO, 3.0)


def wait_for(server, model, gone=False, seconds=20):
    """Returns once the model answers, or is gone; raises its last error at the end of time."""
    import time

    end = time.monotonic() + seconds
    while True:
        try:
            server.predict(model, {"x": row(2)})
            if not gone:
                return
        except grpc.RpcError as error:
            if gone and error.code() == grpc.StatusCode.NOT_FOUND:
                return
            if time.monotonic() > end:
                raise
        assert time.monotonic() < end
        time.sleep(0.02)


def test_good_grpc_channel_args(ours, zoo):
    with running_app(
        model_config_file=str(zoo / "models.config"),
        grpc_channel_arguments="grpc.max_connection_age_ms=2000,grpc.lb_policy_name=grpclb",
    ) as server:
        verify_predict(server, HALF_PLUS_TWO, 3.0)


def test_grpc_channel_arguments_reach_grpc(ours, zoo):
    with running_app(
        model_config_file=str(zoo / "models.config"),
        grpc_channel_arguments="grpc.max_receive_message_length=10",
    ) as server:
        with pytest.raises(grpc.RpcError, match="larger than max") as refused:
            verify_predict(server, HALF_PLUS_TWO, 3.0)
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


# REST ---------------------------------------------------------------------------------------


def test_classify_rest(server):
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]}
    assert rest(server, f"{HALF_PLUS_TWO}:classify", body) == (200, {"results": [[["", 3.0]]]})


def test_regress_rest(server):
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}]}
    assert rest(server, f"{HALF_PLUS_TWO}:regress", body) == (200, {"results": [3.0]})


def test_regress_rest_with_context(server):
    body = {
        "signature_name": "regress_x_to_y",
        "context": {"x": 2.0},
        "examples": [{}, {"x": [6.5]}],
    }
    assert rest(server, f"{HALF_PLUS_TWO}:regress", body) == (200, {"results": [3.0, 5.25]})


def test_predict_rest(server):
    body = {"instances": [2.0, 3.0, 4.0]}
    expected = {"predictions": [3.0, 3.5, 4.0]}
    assert rest(server, f"{HALF_PLUS_TWO}:predict", body) == (200, expected)


def test_predict_columnar_rest(server):
    body = {"inputs": [2.0, 3.0, 4.0]}
    expected = {"outputs": [3.0, 3.5, 4.0]}
    assert rest(server, f"{HALF_PLUS_TWO}:predict", body) == (200, expected)


def test_predict_rest_by_version(server):
    body = {"instances": [{"x": [2.0]}]}
    path = f"{HALF_PLUS_TWO}/versions/{VERSION}:predict"
    assert rest(server, path, body) == (200, {"predictions": [[3.0]]})


def test_get_status_rest(server):
    for path in (HALF_PLUS_TWO, f"{HALF_PLUS_TWO}/versions/{VERSION}"):
        status, body = rest(server, path)
        assert status == 200
        assert body == {
            "model_version_status": [
                {
                    "version": str(VERSION),
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        }


def test_get_model_metadata_rest(server):
    status, body = rest(server, f"{HALF_PLUS_TWO}/metadata")
    assert status == 200
    assert body["model_spec"]["name"] == HALF_PLUS_TWO
    assert body["model_spec"]["version"] == str(VERSION)
    signatures = body["metadata"]["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"]["x"]["dtype"] == "DT_FLOAT"


def test_prometheus_endpoint(server):
    server.predict(HALF_PLUS_TWO, {"x": row(2)})
    url = f"http://{server.rest}/monitoring/prometheus/metrics"
    with urllib.request.urlopen(url, timeout=20) as response:
        page = response.read().decode()
    assert "# TYPE :tensorflow:serving:request_count counter" in page
    lines = [line for line in page.splitlines() if line.startswith(":tensorflow:serving:request_c")]
    counted = [line for line in lines if f'model_name="{HALF_PLUS_TWO}"' in line]
    assert any('status="OK"' in line and float(line.split()[-1]) >= 1 for line in counted)
    assert ":tensorflow:serving:request_latency_bucket" in page
    assert ":tensorflow:serving:runtime_latency_bucket" in page


def test_bytes_rest(server):
    raw = b"\x00\xff\x89PNG\x00"
    encoded = {"b64": base64.b64encode(raw).decode()}
    body = {"signature_name": "bytes", "instances": [{"image_bytes": encoded}, encoded]}
    assert rest(server, "tensors:predict", body)[0] == 400
    body["instances"] = [encoded, "text"]
    text = {"b64": base64.b64encode(b"text").decode()}
    assert rest(server, "tensors:predict", body) == (
        200,
        {
            "predictions": [
                {"image_bytes": encoded, "length": 7},
                {"image_bytes": text, "length": 4},
            ]
        },
    )
    columns = {"signature_name": "bytes", "inputs": {"image_bytes": [[encoded]]}}
    expected = {"outputs": {"image_bytes": [[encoded]], "length": [[7]]}}
    assert rest(server, "tensors:predict", columns) == (200, expected)
