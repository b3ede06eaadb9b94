"""The grpcurl lines of docs/serving-curl.md: what grpcurl would send, sent without it."""

import base64
import io
import re
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from PIL import Image

PAGE = Path(__file__).parents[3] / "docs" / "serving-curl.md"
CALL = re.compile(r"^grpcurl -plaintext -d '(\{.*\})' localhost:8500 (\S+)/(\S+)$", re.MULTILINE)
CALLS = CALL.findall(PAGE.read_text())


@pytest.fixture(scope="module")
def reflected(exported_server):
    """(channel, descriptors by the server's reflection): all that grpcurl knows."""
    with grpc.insecure_channel(exported_server.address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        yield channel, database, descriptor_pool.DescriptorPool(database)


def png():
    file = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_list_and_describe(reflected):
    _, database, pool = reflected
    assert {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "grpc.health.v1.Health",
    } <= set(database.get_services())
    (described,) = re.findall(r"localhost:8500 describe (\S+)", PAGE.read_text())
    fields = pool.FindMessageTypeByName(described).fields_by_name
    assert {"model_spec", "inputs", "output_filter"} <= set(fields.keys())


@pytest.mark.parametrize(("body", "service", "method"), CALLS, ids=[call[2] for call in CALLS])
def test_calls_are_answered(reflected, body, service, method):
    channel, _, pool = reflected
    found = pool.FindServiceByName(service).methods_by_name[method]
    body = body.replace("'$(base64 -w0 photos/0.png)'", png())
    request = json_format.Parse(body, message_factory.GetMessageClass(found.input_type)())
    answer = channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(found.output_type).FromString,
    )(request, timeout=60)
    assert answer.ByteSize() > 0


def test_there_are_calls_of_each_kind():
    assert [method for _, _, method in CALLS] == [
        "Check",
        "GetModelStatus",
        "GetModelMetadata",
        "Predict",
        "Predict",
    ]
