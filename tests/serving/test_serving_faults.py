"""Version folders that are damaged, half copied or oddly named; the good one goes on serving."""

import shutil

import grpc
import numpy as np
import pytest
from servers import eventually, row, running_app
from tensorflow_serving.apis import get_model_status_pb2, prediction_log_pb2
from zoo import write_versioned

MODEL = "m"
AVAILABLE, END = 30, 50


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """A folder with versions 1 and 2, both good."""
    folder = tmp_path_factory.mktemp("versions")
    for version in (1, 2):
        write_versioned(folder / str(version), version)
    return folder


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def truncated(folder):
    file = folder / "saved_model.pb"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def zeroed(folder):
    (folder / "saved_model.pb").write_bytes(b"")


def noise(folder):
    (folder / "saved_model.pb").write_bytes(np.random.default_rng(0).bytes(5000))


def flipped(folder):
    (data,) = (folder / "variables").glob("*.data-*")
    content = bytearray(data.read_bytes())
    content[1] ^= 0xFF
    data.write_bytes(content)


def no_index(folder):
    (folder / "variables" / "variables.index").unlink()


def no_variables(folder):
    shutil.rmtree(folder / "variables")


def warmup(folder, *records):
    import tensorflow as tf

    (folder / "assets.extra").mkdir()
    file = folder / "assets.extra" / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record)


def bad_warmup(folder):
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.name = MODEL
    log.predict_log.request.model_spec.signature_name = "nothing"
    warmup(folder, log.SerializeToString())


def garbage_warmup(folder):
    warmup(folder, b"\xff\xff\xff")


def cut_warmup(folder):
    good_warmup(folder)
    file = folder / "assets.extra" / "tf_serving_warmup_requests"
    file.write_bytes(file.read_bytes()[:-3])


def good_warmup(folder):
    from servers import predict_request

    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(predict_request(MODEL, {"x": row(1)}))
    warmup(folder, log.SerializeToString())


FAULTS = (
    *(empty, truncated, zeroed, noise, flipped, no_index, no_variables),
    *(bad_warmup, garbage_warmup, cut_warmup),
)


@pytest.fixture
def served(versions, tmp_path):
    """(a server of version 1, the folder where a version 2 can be put)."""
    base = tmp_path / "models" / MODEL
    shutil.copytree(versions / "1", base / "1")
    with running_app(
        model_base_path=str(base.parent), file_system_poll_wait_seconds=0.05
    ) as server:
        yield server, base


def statuses(server):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = MODEL
    response = server.models.GetModelStatus(request, timeout=20)
    return {one.version: one for one in response.model_version_status}


def add(versions, base, change=None, name="2"):
    """Puts version 2 there, changed, by one rename."""
    aside = base.parent.parent / "aside"
    shutil.copytree(versions / "2", aside)
    if change:
        change(aside)
    aside.rename(base / name)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_damaged_version_is_told_and_not_served(served, versions, fault):
    server, base = served
    add(versions, base, fault)
    eventually(lambda: 2 in statuses(server) and statuses(server)[2].state == END)
    status = statuses(server)[2].status
    assert status.error_code not in (0, grpc.StatusCode.UNKNOWN.value[0])
    assert status.error_message
    assert server.predict(MODEL, {"x": row(1)})["y"] == 1001
    assert statuses(server)[1].state == AVAILABLE
    # Its mended successor is served.
    shutil.rmtree(base / "2")
    add(versions, base)
    eventually(lambda: statuses(server)[2].state == AVAILABLE)
    assert server.predict(MODEL, {"x": row(1)})["y"] == 2001


def test_warm_up_requests_are_sent(served, versions):
    server, base = served
    add(versions, base, good_warmup)
    eventually(lambda: 2 in statuses(server) and statuses(server)[2].state == AVAILABLE)
    assert server.predict(MODEL, {"x": row(1)})["y"] == 2001


@pytest.mark.parametrize("name", ["tmp", "2.tmp", ".2", "-2", "two"])
def test_folders_that_are_no_versions(served, versions, name):
    server, base = served
    add(versions, base, name=name)
    server.app.models.poll()
    assert set(statuses(server)) == {1}


def test_leading_zeros_make_no_other_version(served, versions):
    server, base = served
    add(versions, base, name="00002")
    eventually(lambda: 2 in statuses(server) and statuses(server)[2].state == AVAILABLE)
    assert server.predict(MODEL, {"x": row(1)}, version=2)["y"] == 2001


def test_a_slow_copy_is_served_once_it_is_whole(served, versions):
    server, base = served
    files = sorted(path for path in (versions / "2").rglob("*") if path.is_file())
    # saved_model.pb before its variables, as an unlucky copy has it.
    for file in files:
        place = base / "2" / file.relative_to(versions / "2")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
        server.app.models.poll()
        assert server.predict(MODEL, {"x": row(1)})["y"] in (1001, 2001)
    eventually(lambda: statuses(server)[2].state == AVAILABLE)
    assert server.predict(MODEL, {"x": row(1)})["y"] == 2001


def test_a_base_path_that_vanishes_and_returns(served, versions):
    server, base = served
    root = base.parent
    away = root.with_name("away")
    root.rename(away)
    server.app.models.poll()
    assert server.predict(MODEL, {"x": row(1)})["y"] == 1001
    away.rename(root)
    add(versions, base)
    eventually(lambda: 2 in statuses(server) and statuses(server)[2].state == AVAILABLE)


def test_a_new_model_in_the_folder_is_served(served, versions):
    server, base = served
    shutil.copytree(versions / "2", base.parent / "tmp-new" / "2")
    (base.parent / "tmp-new").rename(base.parent / "other")

    def answers():
        try:
            return server.predict("other", {"x": row(1)})["y"] == 2001
        except grpc.RpcError:
            return False

    eventually(answers)
    assert server.predict(MODEL, {"x": row(1)})["y"] == 1001


def test_a_model_whose_folder_vanishes_stays(served, versions):
    """Beside others that stay: their list does not drop it."""
    server, base = served
    shutil.copytree(versions / "2", base.parent / "other" / "2")
    eventually(lambda: "other" in server.app.models.available())
    base.rename(base.with_name(".away"))
    for _ in range(3):
        server.app._source._look_at_folders()
    assert server.predict(MODEL, {"x": row(1)})["y"] == 1001


def test_a_list_that_a_client_sets_outlives_the_next_look(served, versions):
    from tensorflow_serving.apis import model_management_pb2

    server, base = served
    shutil.copytree(versions / "2", base.parent / "other" / "2")
    eventually(lambda: "other" in server.app.models.available())
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.config.add(
        name=MODEL, base_path=str(base), model_platform="tensorflow"
    )
    server.models.HandleReloadConfigRequest(request, timeout=60)
    server.app._source._look_at_folders()
    assert set(server.app.models.available()) == {MODEL}
