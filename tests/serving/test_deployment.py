"""What is written for Docker and Kubernetes, checked without either: schemas, and what fits."""

import copy
import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import kubernetes_validate
import pytest
import yaml

from serving.batching_parameters import BatchingParameters
from serving.client.limits import Limits
from serving.config_files import read_batching, read_model_config, read_monitoring

SERVING = Path(__file__).parent.parent.parent / "serving"
COMPOSE = SERVING / "docker-compose.yml"
MANIFESTS = sorted((SERVING / "k8s").glob("*.yaml"))
# The oldest version still kept up when this was written.
KUBERNETES = "1.34.0"


def resources():
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text())]


def resource(kind, name="cdd-serving"):
    (found,) = [
        one for one in resources() if (one["kind"], one["metadata"]["name"]) == (kind, name)
    ]
    return found


def container():
    (found,) = resource("Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def compose():
    return yaml.safe_load(COMPOSE.read_text())


def check_compose(path):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)


def test_compose_fits_its_schema(tmp_path):
    found = check_compose(COMPOSE)
    assert found.returncode == 0, found.stdout
    wrong = compose()
    wrong["services"]["serving"]["healthchek"] = {}
    (tmp_path / "docker-compose.yml").write_text(json.dumps(wrong))
    assert "healthchek" in check_compose(tmp_path / "docker-compose.yml").stdout


@pytest.mark.parametrize(
    "one", resources(), ids=lambda one: f"{one['kind']}-{one['metadata']['name']}"
)
def test_manifests_fit_their_schemas(one):
    kubernetes_validate.validate(one, KUBERNETES, strict=True)
    wrong = copy.deepcopy(one)
    wrong["spec"]["replica"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_there_is_all_that_a_service_needs():
    assert sorted({one["kind"] for one in resources()}) == [
        "Deployment",
        "HorizontalPodAutoscaler",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "Service",
    ]


def test_selectors_find_the_pods():
    pods = resource("Deployment")["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        resource("Deployment")["spec"]["selector"]["matchLabels"],
        resource("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        resource("Service")["spec"]["selector"],
        resource("Service", "cdd-serving-pods")["spec"]["selector"],
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= pods


def test_the_autoscaler_scales_the_deployment():
    target = resource("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    deployment = resource("Deployment")
    assert (target["apiVersion"], target["kind"]) == (
        deployment["apiVersion"],
        deployment["kind"],
    )
    assert target["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]
    # A utilisation is a part of what is requested.
    assert "cpu" in container()["resources"]["requests"]


def test_ports_and_probes_name_what_is_open():
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert ports == {"grpc": 8500, "http": 8501}
    assert f"--port={ports['grpc']}" in container()["args"]
    assert f"--rest_api_port={ports['http']}" in container()["args"]
    for name in ("cdd-serving", "cdd-serving-pods"):
        for port in resource("Service", name)["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
    for probe in ("startupProbe", "readinessProbe"):
        assert container()[probe]["httpGet"] == {
            "path": "/v1/models/cdd_classifier",
            "port": "http",
        }
    assert container()["livenessProbe"]["tcpSocket"] == {"port": "grpc"}


def test_a_pod_drains_before_it_is_killed():
    spec = resource("Deployment")["spec"]["template"]["spec"]
    wait = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert wait < spec["terminationGracePeriodSeconds"]


def test_models_are_read_only_and_the_files_are_where_the_flags_say():
    mounts = {mount["mountPath"]: mount for mount in container()["volumeMounts"]}
    assert mounts["/models"]["readOnly"]
    assert mounts["/config"]["readOnly"]
    bound = {volume["target"]: volume for volume in compose()["services"]["serving"]["volumes"]}
    assert bound["/models"]["read_only"]
    assert bound["/config"]["read_only"]
    assert (COMPOSE.parent / bound["/config"]["source"]).resolve() == SERVING / "config"
    named = [flag.partition("=/config/")[2] for flag in container()["args"] if "=/config/" in flag]
    assert sorted(named) == sorted(path.name for path in (SERVING / "config").iterdir())


def test_kustomization_lists_every_file():
    found = yaml.safe_load((SERVING / "kustomization.yaml").read_text())
    assert sorted(found["resources"]) == [f"k8s/{path.name}" for path in MANIFESTS]
    (generated,) = found["configMapGenerator"]
    files = sorted(f"config/{path.name}" for path in (SERVING / "config").iterdir())
    assert sorted(generated["files"]) == files
    volumes = resource("Deployment")["spec"]["template"]["spec"]["volumes"]
    assert [one["configMap"]["name"] for one in volumes if "configMap" in one] == [
        generated["name"]
    ]


def test_compose_and_kubernetes_run_the_same_server():
    service = compose()["services"]["serving"]
    assert service["image"] == container()["image"]
    assert not service["image"].endswith(":latest")
    assert service["entrypoint"] == container()["command"]
    assert service["command"] == container()["args"]


def test_the_config_names_the_models_of_an_export():
    config = read_model_config(str(SERVING / "config" / "models.config"))
    models = {one.name: one.base_path for one in config.model_config_list.config}
    # Where the volumes are mounted.
    assert models == {
        "cdd_classifier": "/models/cdd_classifier",
        "cdd_generator": "/models/cdd_generator",
    }
    for one in config.model_config_list.config:
        assert one.model_platform == "tensorflow"
        assert one.model_version_policy.latest.num_versions == 1


def test_batches_fit_what_the_client_sends():
    path = str(SERVING / "config" / "batching_parameters.txt")
    parameters = BatchingParameters.from_message(read_batching(path), path)
    assert parameters.max_batch_size == Limits().rows
    sizes = list(read_batching(path).allowed_batch_sizes)
    assert sizes == sorted(sizes)
    assert sizes[-1] == parameters.max_batch_size


def test_metrics_are_where_prometheus_is_told_to_look():
    path = read_monitoring(str(SERVING / "config" / "monitoring.config")).prometheus_config.path
    annotations = resource("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == path
    assert annotations["prometheus.io/port"] == "8501"


@pytest.mark.parametrize(("status", "code"), [(200, 0), (404, 1)])
def test_the_health_check_of_compose_reads_the_status(status, code):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.path = self.path
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    _, *command = compose()["services"]["serving"]["healthcheck"]["test"]
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        # What Compose does with $$, and another port.
        words = [
            word.replace("$$", "$").replace("/8501", f"/{server.server_port}") for word in command
        ]
        found = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
        thread.join()
        assert server.path == "/v1/models/cdd_classifier"
    assert found.returncode == code, found.stderr
