"""Stand-ins for a server, by gRPC and by REST, and a real one of an export."""

from pathlib import Path

import pytest
from servers import running_process
from stand_in_servers import QUICK, StandIn, grpc_server, rest_server, stop

from serving.client import Client

CONFIG = Path(__file__).parents[3] / "serving" / "config"


@pytest.fixture(scope="session")
def grpc_stand_in():
    stand_in = StandIn()
    server, port = grpc_server(stand_in)
    stand_in.address = f"localhost:{port}"
    yield stand_in
    stop(server)


@pytest.fixture(scope="session")
def rest_stand_in():
    stand_in = StandIn()
    server, port = rest_server(stand_in)
    stand_in.address = f"http://localhost:{port}"
    yield stand_in
    stop(server)


@pytest.fixture(params=["grpc", "rest"])
def stand_in(request):
    """A server by either transport, forgetful of the test before."""
    found = request.getfixturevalue(f"{request.param}_stand_in")
    address = found.address
    found.__init__()
    found.address = address
    return found


@pytest.fixture
def client(stand_in):
    with Client(stand_in.address, deadline=20, retries=QUICK) as client:
        yield client


@pytest.fixture(scope="session")
def exported_server(exported, tmp_path_factory):
    """Runs on the files that are there for TensorFlow Serving, but for where the models lie."""
    config = tmp_path_factory.mktemp("config") / "models.config"
    text = (CONFIG / "models.config").read_text()
    config.write_text(text.replace("/models/", f"{exported[1]}/"))
    flags = (
        *("--model-config-file", config, "--enable-batching"),
        *("--batching-parameters-file", CONFIG / "batching_parameters.txt"),
        *("--monitoring-config-file", CONFIG / "monitoring.config"),
    )
    with running_process(*flags) as process:
        yield process.connection
