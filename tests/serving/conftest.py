"""A server of the zoo, in this process or the one that `--server-address` names."""

import pytest
from servers import Connection, running_app
from zoo import write_zoo


@pytest.fixture(scope="session")
def zoo(tmp_path_factory):
    """The folder of the test models: only for reading."""
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder)
    return folder


@pytest.fixture(scope="session")
def server(request):
    """A Connection to a server that has the zoo's models."""
    address = request.config.getoption("--server-address")
    if address:
        yield Connection(address, request.config.getoption("--rest-address"))
        return
    config = request.getfixturevalue("zoo") / "models.config"
    with running_app(model_config_file=str(config)) as connection:
        yield connection


@pytest.fixture
def ours(request):
    """Skips what only the server of this repository promises, where another is tested."""
    if request.config.getoption("--server-address"):
        pytest.skip("about this repository's own server")
