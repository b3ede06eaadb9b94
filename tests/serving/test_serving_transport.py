"""TLS, health and reflection."""

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from servers import Connection, predict_request, row, running_app
from zoo import HALF_PLUS_TWO

OK, UNAVAILABLE = grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE
SERVICES = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def ssl_config(path, authority, client_verify):
    """An SSLConfig file of a certificate for localhost."""
    certificate = authority.issue_cert("localhost")
    fields = {
        "server_key": certificate.private_key_pem.bytes(),
        "server_cert": b"".join(pem.bytes() for pem in certificate.cert_chain_pems),
        "custom_ca": authority.cert_pem.bytes(),
    }
    lines = [
        f'{name}: "{pem.decode().encode("unicode_escape").decode()}"'
        for name, pem in fields.items()
    ]
    path.write_text("\n".join([*lines, f"client_verify: {str(client_verify).lower()}"]))
    return str(path)


def secure(server, authority, certificate=None):
    """A Connection over TLS, with the client's certificate where one is given."""
    pair = {}
    if certificate:
        pair = {
            "private_key": certificate.private_key_pem.bytes(),
            "certificate_chain": certificate.cert_chain_pems[0].bytes(),
        }
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes(), **pair)
    return Connection(server.address, channel=grpc.secure_channel(server.address, credentials))


@pytest.fixture
def serve(ours, zoo, tmp_path, authority):
    def start(client_verify):
        return running_app(
            model_config_file=str(zoo / "models.config"),
            ssl_config_file=ssl_config(tmp_path / "ssl.config", authority, client_verify),
        )

    return start


def code(connection):
    """The status of a request."""
    request = predict_request(HALF_PLUS_TWO, {"x": row(2)})
    error = connection.prediction.Predict.future(request, timeout=10).exception()
    connection.close()
    return error.code() if error else grpc.StatusCode.OK


def test_tls(serve, authority):
    with serve(client_verify=False) as server:
        assert code(secure(server, authority)) == OK
        assert code(Connection(server.address)) == UNAVAILABLE, "plain text is refused"
        assert code(secure(server, trustme.CA())) == UNAVAILABLE, "another authority's is refused"


def test_mutual_tls(serve, authority):
    with serve(client_verify=True) as server:
        assert code(secure(server, authority, authority.issue_cert("client"))) == OK
        assert code(secure(server, authority)) == UNAVAILABLE, "no certificate"
        assert code(secure(server, authority, trustme.CA().issue_cert("client"))) == UNAVAILABLE


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_health(ours, server, service):
    stub = health_pb2_grpc.HealthStub(server.channel)
    response = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
    assert response.status == health_pb2.HealthCheckResponse.SERVING


def test_health_of_all_services(ours, server):
    stub = health_pb2_grpc.HealthStub(server.channel)
    statuses = stub.List(health_pb2.HealthListRequest(), timeout=20).statuses
    assert set(statuses) == {"", *SERVICES}
    assert {one.status for one in statuses.values()} == {health_pb2.HealthCheckResponse.SERVING}


@pytest.mark.parametrize(("service", "states"), [("", (1, 2)), ("stranger", (3, 3))])
def test_health_is_watched_until_the_server_goes(ours, zoo, service, states):
    """SERVING, then NOT_SERVING; SERVICE_UNKNOWN for what there is not."""
    with running_app(model_config_file=str(zoo / "models.config")) as server:
        stub = health_pb2_grpc.HealthStub(server.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=20)
        seen = [next(watch).status]
        server.app._grpc.leave()
        seen += [response.status for response in watch]
    assert tuple(seen) == states


def test_health_of_an_unknown_service(ours, server):
    stub = health_pb2_grpc.HealthStub(server.channel)
    with pytest.raises(grpc.RpcError) as refused:
        stub.Check(health_pb2.HealthCheckRequest(service="stranger"), timeout=20)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_reflection(ours, server):
    database = ProtoReflectionDescriptorDatabase(server.channel)
    assert {*SERVICES, "grpc.health.v1.Health"} <= set(database.get_services())
    file = database.FindFileContainingSymbol("tensorflow.serving.PredictionService")
    methods = {method.name for service in file.service for method in service.method}
    assert methods == {"Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata"}
