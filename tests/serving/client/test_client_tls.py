"""Encrypted connections by both transports, with certificates made for the test."""

import ssl

import grpc
import pytest
import trustme
from stand_in_servers import StandIn, grpc_server, rest_server, stop

from serving import cli
from serving.client import CallError, Client, Retries, Tls, UsageError
from serving.client.__main__ import run


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """PEM files by name: the authority, the client's certificate and key, a stranger's."""
    folder = tmp_path_factory.mktemp("certificates")
    authority, stranger = trustme.CA(), trustme.CA()
    made = {
        "ca": authority.cert_pem,
        "stranger": stranger.cert_pem,
        **pair("server", authority.issue_cert("localhost")),
        **pair("elsewhere", authority.issue_cert("models.example")),
        **pair("client", authority.issue_cert("client@example")),
    }
    for name, blob in made.items():
        blob.write_to_path(folder / name)
    return {name: folder / name for name in made}


def pair(name, issued):
    return {f"{name}-cert": issued.cert_chain_pems[0], f"{name}-key": issued.private_key_pem}


@pytest.fixture(params=["grpc", "rest"])
def serve(request, files):
    """Starts a server with a certificate, which may ask for the client's; gives its address."""
    started = []

    def start(name="server", ask=False):
        key, cert = files[f"{name}-key"], files[f"{name}-cert"]
        if request.param == "grpc":
            credentials = grpc.ssl_server_credentials(
                [(key.read_bytes(), cert.read_bytes())],
                root_certificates=files["ca"].read_bytes() if ask else None,
                require_client_auth=ask,
            )
            server, port = grpc_server(StandIn(), credentials)
            started.append(server)
            return f"localhost:{port}"
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files["ca"])
        context.load_cert_chain(cert, key)
        context.verify_mode = ssl.CERT_REQUIRED if ask else ssl.CERT_NONE
        server, port = rest_server(StandIn(), context)
        started.append(server)
        return f"https://localhost:{port}"

    yield start
    for server in started:
        stop(server)


def versions(address, tls):
    with Client(address, tls=tls, retries=Retries(0), deadline=10) as client:
        return [one.version for one in client.status("cdd_classifier")]


def refused(address, tls):
    with pytest.raises(CallError) as caught:
        versions(address, tls)
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE


def test_a_known_authority_is_trusted_and_no_other(serve, files):
    address = serve()
    assert versions(address, Tls(ca=files["ca"])) == [8, 7]
    refused(address, Tls(ca=files["stranger"]))
    refused(address, Tls())


def test_a_certificate_for_another_name_has_to_be_named(serve, files):
    address = serve("elsewhere")
    refused(address, Tls(ca=files["ca"]))
    assert versions(address, Tls(ca=files["ca"], server_name="models.example")) == [8, 7]


def test_a_server_may_ask_who_calls(serve, files):
    address = serve(ask=True)
    tls = Tls(ca=files["ca"], cert=files["client-cert"], key=files["client-key"])
    assert versions(address, tls) == [8, 7]
    refused(address, Tls(ca=files["ca"]))


def test_commands_take_the_files(serve, files, capsys):
    flags = ("--ca", files["ca"], "--cert", files["client-cert"], "--key", files["client-key"])
    arguments = ("status", "cdd_classifier", *flags, "--server", serve(ask=True))
    assert cli.main(run, list(map(str, arguments))) == 0
    assert "AVAILABLE" in capsys.readouterr().out


def test_files_are_checked_first(files, tmp_path):
    with pytest.raises(UsageError, match=r"No such file: .*nope.pem"):
        Tls(ca=tmp_path / "nope.pem")
    with pytest.raises(UsageError, match="go together"):
        Tls(cert=files["client-cert"])
