"""Stand-ins for a server, by gRPC and by REST."""

import pytest
from stand_in_servers import QUICK, StandIn, grpc_server, rest_server, stop

from serving.client import Client


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
