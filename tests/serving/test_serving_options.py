"""The server's command line and its configuration files: what is refused, and in what words."""

import pytest

from serving import cli, config_files, options
from serving.batching_parameters import BatchingParameters
from serving.cli import UsageError
from serving.sources import configured_models


@pytest.fixture
def models(tmp_path):
    """A folder of a model with one version, which nobody loads."""
    folder = tmp_path / "models"
    (folder / "m" / "1").mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give either --model-base-path or --model-config-file"),
        (["--model-base-path", "MODELS", "--model-config-file", "F"], "give either"),
        (["--model-base-path", "nowhere"], "--model-base-path: nowhere is not a folder"),
        (["--model-config-file", "F", "--model-name", "m"], "--model-name needs"),
        (["--model-base-path", "MODELS", "--port", "70000"], "--port: 70000; expected 0 to 65535"),
        (["--model-base-path", "MODELS", "--port", "8501"], "both 8501"),
        (["--model-base-path", "MODELS", "--port", "x"], "--port"),
        (["--model-base-path", "MODELS", "--max-in-flight", "0"], "expected 1 or more"),
        (["--model-base-path", "MODELS", "--grace-seconds", "nan"], "expected 0 or more"),
        (["--model-base-path", "MODELS", "--batching-parameters-file", "F"], "--enable-batching"),
        (["--model-base-path", "MODELS", "--grpc-channel-arguments", "a"], "expected name=value"),
        (["--model-base-path", "MODELS", "--prot", "1"], "Did you mean --port?"),
        (["--model-base-path", "MODELS/m"], "is one model's folder"),
        (["--model-base-path", "MODELS/m/1"], "no NAME/VERSION/ folders"),
        (["--model-config-file", "nowhere"], "cannot read nowhere"),
    ],
)
def test_usage_errors(models, capsys, flags, message):
    flags = [flag.replace("MODELS", str(models)) for flag in flags]
    assert cli.main(checked, flags) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert message in printed.err


def checked(arguments):
    """What the server does before it loads TensorFlow's models."""
    configured_models(options.parse(arguments))


def test_help_and_errors_need_no_tensorflow(models):
    import subprocess
    import sys

    code = (
        "import sys; from serving import cli, server\n"
        "code = cli.main(server.run, sys.argv[1:])\n"
        "assert 'tensorflow' not in sys.modules and 'grpc' not in sys.modules\n"
        "sys.exit(code)"
    )
    for flags, expected in ((["--help"], 0), (["--port", "x"], 2)):
        done = subprocess.run([sys.executable, "-c", code, *flags], capture_output=True, text=True)
        assert done.returncode == expected, done.stderr


def test_models_of_a_folder(models):
    (config,) = configured_models(options.Options(model_base_path=str(models)))
    assert (config.name, config.base_path) == ("m", str(models / "m"))
    named = options.Options(model_base_path=str(models / "m"), model_name="other")
    (config,) = configured_models(named)
    assert (config.name, config.base_path) == ("other", str(models / "m"))


@pytest.mark.parametrize(
    ("host", "authority"),
    [("localhost", "localhost:1"), ("::1", "[::1]:1"), ("[::1]", "[::1]:1")],
)
def test_addresses_of_either_kind(host, authority):
    settings = options.Options(model_config_file="F", host=host)
    assert settings.authority(1) == authority
    assert "[" not in settings.host


def test_channel_arguments():
    settings = options.Options(
        model_config_file="F", grpc_channel_arguments="grpc.a=1,grpc.b=-2,grpc.c=x=y"
    )
    expected = (("grpc.a", 1), ("grpc.b", -2), ("grpc.c", "x=y"))
    assert settings.channel_arguments() == expected


BATCHING = """
max_batch_size { value: 32 }
batch_timeout_micros { value: 500 }
max_enqueued_batches { value: 7 }
num_batch_threads { value: 3 }
thread_pool_name { value: "pool" }
allowed_batch_sizes: 8
allowed_batch_sizes: 32
"""


def write(tmp_path, text):
    path = tmp_path / "file.config"
    path.write_text(text)
    return str(path)


def test_batching_file(tmp_path):
    path = write(tmp_path, BATCHING)
    parameters = BatchingParameters.from_message(config_files.read_batching(path), path)
    assert parameters == BatchingParameters(32, 500, 7, 3, (8, 32))


def test_batching_file_that_splits(tmp_path):
    # Of tensorflow/serving's own tests (saved_model_bundle_factory_test.cc).
    path = write(
        tmp_path,
        "max_batch_size { value: 4 } enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 2 }",
    )
    parameters = BatchingParameters.from_message(config_files.read_batching(path), path)
    assert (parameters.max_batch_size, parameters.batch_rows) == (4, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size: 3", "Invalid protobuf file: .*BatchingParameters"),
        ("max_batch_sise { value: 3 }", "max_batch_sise"),
        ("max_batch_size { value: 0 }", "file.config: max_batch_size: 0"),
        ("pad_variable_length_inputs: true", "pad_variable_length_inputs is not supported"),
    ],
)
def test_batching_files_that_are_refused(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(UsageError, match=message):
        BatchingParameters.from_message(config_files.read_batching(path), path)


def test_monitoring_file(tmp_path):
    path = write(tmp_path, 'prometheus_config { enable: true, path: "/metrics" }')
    config = config_files.read_monitoring(path).prometheus_config
    assert (config.enable, config.path) == (True, "/metrics")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('server_cert: "x"', "server_key is missing"),
        ('server_key: "x"', "server_cert is missing"),
        ('server_key: "x" server_cert: "y" client_verify: true', "client_verify needs custom_ca"),
    ],
)
def test_ssl_files_that_are_refused(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        config_files.read_ssl(write(tmp_path, text))


def test_model_config_files_that_are_refused(tmp_path):
    with pytest.raises(UsageError, match="custom_model_config is not supported"):
        config_files.read_model_config(write(tmp_path, "custom_model_config {}"))
    with pytest.raises(UsageError, match="no model_config_list"):
        config_files.read_model_config(write(tmp_path, ""))
