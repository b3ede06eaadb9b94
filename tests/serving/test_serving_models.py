"""Versions on disk and in memory: policies, labels, roll-over, failures. Loading is a stand-in."""

import gc
import threading
import weakref

import grpc
import pytest
from google.protobuf import text_format
from servers import eventually
from tensorflow_serving.apis import model_pb2
from tensorflow_serving.config import model_server_config_pb2

from serving.calls import Call
from serving.errors import ServingError
from serving.models import Models

STATES = {10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}


class Loader:
    """Loads folders that hold a file `ok`; notes what it loaded."""

    def __init__(self):
        self.loaded = []

    def __call__(self, name, version, folder):
        self.loaded.append((name, version))
        if not (folder / "ok").exists():
            raise ValueError(f"{folder} is damaged")
        return f"{name}/{version}"


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture
def models(loader):
    models = Models(loader)
    yield models
    models.close()


def publish(base, *versions, ok=True):
    for version in versions:
        folder = base / str(version)
        folder.mkdir(parents=True, exist_ok=True)
        if ok:
            (folder / "ok").touch()


def config(base, text="", name="m"):
    message = model_server_config_pb2.ModelConfig(
        name=name, base_path=str(base), model_platform="tensorflow"
    )
    return text_format.Merge(text, message)


def spec(name="m", version=None, label=""):
    message = model_pb2.ModelSpec(name=name, version_label=label)
    if version is not None:
        message.version.value = version
    return message


def states(models, **asked):
    found = models.statuses(spec(**asked))
    return {message.version: STATES[message.state] for message in found}


def used(models, **asked):
    with models.use(spec(**asked)) as servable:
        return servable


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", [3]),
        ("model_version_policy { latest { num_versions: 2 } }", [2, 3]),
        ("model_version_policy { all {} }", [1, 2, 3]),
        ("model_version_policy { specific { versions: 1 versions: 3 versions: 9 } }", [1, 3]),
    ],
)
def test_policies(models, loader, tmp_path, policy, expected):
    publish(tmp_path, 1, 2, 3)
    models.configure([config(tmp_path, policy)])
    assert sorted(version for _, version in loader.loaded) == expected
    assert used(models) == f"m/{expected[-1]}"
    assert states(models) == dict.fromkeys(expected, "AVAILABLE")
    assert list(states(models)) == expected[::-1], "highest version first"


def test_names_that_are_no_versions_are_passed_over(models, loader, tmp_path):
    publish(tmp_path, "tmp", "-3", "1.5", "4.tmp", "٣", 2**63, "00002", 1)
    (tmp_path / "9").write_text("a file")
    models.configure([config(tmp_path, "model_version_policy { all {} }")])
    assert sorted(loader.loaded) == [("m", 1), ("m", 2)]


def test_a_new_version_is_loaded_before_the_old_one_goes(models, loader, tmp_path):
    publish(tmp_path, 1)
    models.configure([config(tmp_path)])
    publish(tmp_path, 2)
    seen = []
    loader_call = loader.__call__
    models._load = lambda *args: (seen.append(used(models)), loader_call(*args))[1]
    models.poll()
    assert seen == ["m/1"], "version 1 answered while version 2 was being loaded"
    assert used(models) == "m/2"
    assert states(models) == {2: "AVAILABLE", 1: "END"}
    with pytest.raises(ServingError, match=r"Specific\(m, 1\)"):
        used(models, version=1)


def test_a_version_in_use_stays_until_it_is_let_go(models, tmp_path):
    publish(tmp_path, 1)
    models.configure([config(tmp_path)])
    with models.use(spec()) as servable:
        publish(tmp_path, 2)
        models.poll()
        assert servable == "m/1"
        assert states(models) == {2: "AVAILABLE", 1: "UNLOADING"}
    assert states(models) == {2: "AVAILABLE", 1: "END"}


def test_a_failed_load_keeps_the_old_version(models, loader, tmp_path):
    publish(tmp_path, 1)
    models.configure([config(tmp_path)])
    publish(tmp_path, 2, ok=False)
    for _ in range(3):
        models.poll()
    assert loader.loaded == [("m", 1), ("m", 2)], "the same files are not tried again"
    assert used(models) == "m/1"
    failed, good = models.statuses(spec())
    assert STATES[failed.state] == "END"
    assert failed.status.error_code == grpc.StatusCode.INTERNAL.value[0]
    assert "is damaged" in failed.status.error_message
    assert STATES[good.state] == "AVAILABLE"


def test_a_copy_that_was_half_there_is_loaded_once_it_is_whole(models, tmp_path):
    publish(tmp_path, 1)
    models.configure([config(tmp_path)])
    publish(tmp_path, 2, ok=False)
    models.poll()
    publish(tmp_path, 2)
    models.poll()
    assert used(models) == "m/2"
    assert states(models) == {2: "AVAILABLE", 1: "END"}


def test_all_versions_gone_unloads(models, tmp_path):
    base = tmp_path / "base"
    publish(base, 1)
    models.configure([config(base)])
    (base / "1" / "ok").unlink()
    (base / "1").rmdir()
    models.poll()
    assert states(models) == {1: "END"}
    with pytest.raises(ServingError, match=r"Latest\(m\)"):
        used(models)


def test_a_base_path_gone_keeps_serving(models, tmp_path):
    base = tmp_path / "base"
    publish(base, 1)
    models.configure([config(base)])
    base.rename(tmp_path / "elsewhere")
    models.poll()
    assert used(models) == "m/1"


def test_a_version_that_returns_is_loaded_again(models, loader, tmp_path):
    publish(tmp_path, 1, 2)
    models.configure([config(tmp_path)])
    (tmp_path / "2").rename(tmp_path / "away")
    models.poll()
    assert used(models) == "m/1"
    (tmp_path / "away").rename(tmp_path / "2")
    models.poll()
    assert used(models) == "m/2"
    assert loader.loaded == [("m", 2), ("m", 1), ("m", 2)]


LABELS = """
model_version_policy { all {} }
version_labels { key: "stable" value: 1 }
version_labels { key: "canary" value: 2 }
"""


class Loaded:
    """A servable that Python's collections could look at."""


def test_what_is_loaded_is_kept_out_of_collections_until_it_goes(tmp_path):
    publish(tmp_path, 1)
    models = Models(lambda *_: Loaded())
    try:
        models.configure([config(tmp_path)])
        loaded = weakref.ref(used(models))
        eventually(lambda: not any(one is loaded() for one in gc.get_objects()))
        models.configure([])
        eventually(lambda: loaded() is None)
    finally:
        models.close()


def test_labels(models, tmp_path):
    publish(tmp_path, 1, 2)
    models.configure([config(tmp_path, LABELS)])
    assert used(models, label="stable") == "m/1"
    assert used(models, label="canary") == "m/2"
    assert states(models, label="canary") == {2: "AVAILABLE"}
    with pytest.raises(ServingError, match="Unrecognized servable version label: other"):
        used(models, label="other")


def test_a_label_of_a_version_that_is_not_loaded_is_refused(models, tmp_path):
    publish(tmp_path, 1)
    with pytest.raises(ServingError, match="label canary to version 2 of model m") as refused:
        models.configure([config(tmp_path, LABELS)])
    assert refused.value.code == grpc.StatusCode.FAILED_PRECONDITION
    assert used(models, label="stable") == "m/1"


def test_a_label_stays_until_its_new_version_is_loaded(models, tmp_path):
    publish(tmp_path, 1)
    models.configure([config(tmp_path, STABLE.format(1))])
    publish(tmp_path, 2)
    seen, load = [], models._load
    models._load = lambda *args: (seen.append(used(models, label="stable")), load(*args))[1]
    models.configure([config(tmp_path, STABLE.format(2))])
    assert seen == ["m/1"], "the label led to version 1 while version 2 was being loaded"
    assert used(models, label="stable") == "m/2"
    publish(tmp_path, 3, ok=False)
    with pytest.raises(ServingError, match="label stable to version 3"):
        models.configure([config(tmp_path, STABLE.format(3))])
    assert used(models, label="stable") == "m/2"
    # It moves by itself once the version can be loaded.
    publish(tmp_path, 3)
    models.poll()
    assert used(models, label="stable") == "m/3"


STABLE = """
model_version_policy {{ all {{}} }}
version_labels {{ key: "stable" value: {} }}
"""


def test_a_version_that_returns_while_its_old_self_is_in_use(models, tmp_path):
    publish(tmp_path, 1, 2)
    models.configure([config(tmp_path)])
    with models.use(spec()):
        (tmp_path / "2").rename(tmp_path / "away")
        models.poll()
        (tmp_path / "away").rename(tmp_path / "2")
        models.poll()
        assert states(models) == {2: "AVAILABLE", 1: "END"}
    assert states(models) == {2: "AVAILABLE", 1: "END"}


def test_a_reload_whose_caller_has_gone_changes_nothing(models, tmp_path):
    publish(tmp_path, 1)
    models.configure([config(tmp_path)])
    entered, go = threading.Event(), threading.Event()
    models._load = lambda *args: (entered.set(), go.wait(20), "slow")[2]
    publish(tmp_path, 2)
    loading = threading.Thread(target=models.poll)
    loading.start()
    assert entered.wait(20)
    with pytest.raises(ServingError) as late:
        models.configure([], Call(timeout=0.05))
    assert late.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert used(models) == "m/1"
    go.set()
    loading.join()
    assert used(models) == "slow"


def test_a_new_list_replaces_the_old(models, tmp_path):
    publish(tmp_path / "a", 1)
    publish(tmp_path / "b", 1)
    models.configure([config(tmp_path / "a", name="a")])
    models.configure([config(tmp_path / "b", name="b")])
    assert used(models, name="b") == "b/1"
    with pytest.raises(ServingError, match=r"Latest\(a\)"):
        used(models, name="a")
    models.configure([])
    assert models.available() == {}


def platform(message, name):
    message.model_platform = name
    return message


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        (lambda base: [config(base), config(base)], "list model m multiple times"),
        (lambda base: [config("relative/path")], "absolute path"),
        (lambda base: [config(base, name="")], "without a name"),
        (lambda base: [platform(config(base), "caffe")], "change a model's platform"),
        (lambda base: [platform(config(base, name="n"), "caffe")], "platform is 'caffe'"),
    ],
)
def test_lists_that_cannot_be_meant_change_nothing(models, tmp_path, configs, message):
    publish(tmp_path, 1)
    models.configure([config(tmp_path)])
    with pytest.raises(ServingError, match=message) as refused:
        models.configure(configs(tmp_path))
    assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert used(models) == "m/1"


def test_a_new_model_that_cannot_be_loaded_is_told(models, tmp_path):
    publish(tmp_path / "good", 1)
    publish(tmp_path / "bad", 1, ok=False)
    configs = [config(tmp_path / name, name=name) for name in ("good", "bad")]
    with pytest.raises(ServingError, match=r"did not become available: \{bad: .* damaged"):
        models.configure(configs)
    assert used(models, name="good") == "good/1"
    assert set(models.errors()) == {"bad"}


def test_many_users_and_many_versions(models, tmp_path):
    """Threads use the model all the while; none ever finds it missing or let go."""
    publish(tmp_path, 1)
    models.configure([config(tmp_path)])
    wrong, ended = [], threading.Event()

    def use():
        while not ended.is_set():
            with models.use(spec()) as servable:
                if servable is None:
                    wrong.append(servable)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(2, 20):
        publish(tmp_path, version)
        models.poll()
    ended.set()
    for thread in threads:
        thread.join()
    assert not wrong
    found = states(models)
    assert found.pop(19) == "AVAILABLE"
    assert set(found.values()) == {"END"}
