"""A tiny trained run, made once a session without the training loop, and a stranger's images."""

import os
import shutil
import signal
import sys

import numpy as np
import pytest
from PIL import Image
from small_files import write_table

# A shell that has started pytest in the background has SIGINT ignored, by its children too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The workers, and the processes they start, share few cores: an operation's threads would wait for
# each other. Trainings of which every bit is compared (test_resume.py) have them all the same.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

# Files that take minutes, longest first: begun last, one would keep one worker while the others
# have nothing left to do.
LONG = (
    *("test_resume", "test_docs", "test_serving_process", "test_tune", "test_devices"),
    *("test_trials", "test_train", "test_training", "test_client_end_to_end", "test_model"),
    *("test_scripts", "test_reproduce", "test_endpoints"),
)
STEPS = (1, 2)
SPLITS = ("train", "train", "train", "validation", "test", "test")


def pytest_addoption(parser):
    group = parser.getgroup("serving", "which server the tests of serving/ are about")
    text = "of a server with the models that `python tests/serving/zoo.py DIR` writes"
    group.addoption("--server-address", metavar="HOST:PORT", help=f"gRPC {text}")
    group.addoption("--rest-address", metavar="HOST:PORT", help=f"REST {text}")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@pytest.fixture(autouse=True)
def determinism_ends():
    """Some models turn it on for their process, which in tests is everybody's."""
    yield
    if "tensorflow" in sys.modules:
        import tensorflow as tf
        from tensorflow.python.util import _pywrap_determinism

        _pywrap_determinism.enable(False)
        turned_off = ("arithmetic_optimization", "constant_folding")
        tf.config.optimizer.set_experimental_options(dict.fromkeys(turned_off, True))


@pytest.fixture(scope="session")
def labelled_folder(tmp_path_factory):
    """Folder data: 48 images of 20 x 24 pixels, of which 16 are for tests."""
    folder = tmp_path_factory.mktemp("faces")
    draws = np.random.default_rng(0)
    rows = []
    for number in range(48):
        name, split = f"face-{number:02d}.png", SPLITS[number % len(SPLITS)]
        pixels = draws.integers(0, 256, (24, 20, 3), "uint8")
        label = number // len(SPLITS) % 2
        pixels[6:12] = 255 * label
        Image.fromarray(pixels).save(folder / name)
        rows.append([name, label, split])
    write_table(folder, rows)
    return folder


@pytest.fixture(scope="session")
def image_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, labelled_folder, image_cache):
    """The run folder of `cdd`, with judges; its first evaluation is the label-free pick."""
    settings = {"data_dir": str(labelled_folder)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDD_KERAS_CACHE", str(image_cache))
        return make_run(tmp_path_factory.mktemp("runs") / "cdd", "cdd", settings, judged=True)


def make_run(path, method, settings, judged=False):
    """Two steps of training on the data of `settings`, each evaluated and kept."""
    from cdd_keras import checkpoints
    from cdd_keras.config import Config
    from cdd_keras.data import load_pair
    from cdd_keras.judges import train_judges
    from cdd_keras.model import CrossDomainModel
    from cdd_keras.precision import use_precision
    from cdd_keras.runs import RunFolder

    sizes = {"image_size": 16, "channels": 4, "discriminator_channels": 4, "code_size": 4}
    config = Config(
        attr="eyeglasses",
        data="folder",
        method=method,
        steps=4,
        batch_size=8,
        precision="float32",
        **sizes,
        **settings,
    )
    use_precision(config.precision)
    folder, pair = RunFolder(path), load_pair(config)
    path.mkdir(parents=True)
    folder.config.write_text(config.to_yaml())
    folder.write_labels(pair)
    model = CrossDomainModel(config, pair.attribute.classes)
    model.compile()
    stir(model)
    rows = []
    for step in STEPS:
        train_one_step(model, pair)
        checkpoints.save(model, folder.checkpoints)
        rows.append(evaluated(model, pair, step))
    folder.write_rows(rows)
    if judged:
        train_judges(pair, config, folder.judges, steps=3)
    return path


def stir(model):
    """Moves all weights: at their start every value is drawn, and every image read, alike."""
    draws = np.random.default_rng(2)
    for network in (*model.networks.values(), *model.averaged.values()):
        for weight in network.weights:
            weight.assign_add(draws.normal(0, 0.1, weight.shape))


def train_one_step(model, pair):
    import tensorflow as tf

    from cdd_keras.data import to_float
    from cdd_keras.domains import DOMAINS, SOURCE, TARGET

    sets = {domain: pair.get("train", domain) for domain in DOMAINS}
    images = {domain: tf.constant(sets[domain].images[:8]) for domain in DOMAINS}
    model.train_step(((images[SOURCE], tf.constant(sets[SOURCE].labels[:8])), images[TARGET]))
    rest = {domain: to_float(images[domain]) for domain in DOMAINS}
    model.fit_at_rest(rest, sets[SOURCE].labels[:8])


def evaluated(model, pair, step):
    """A row of metrics.jsonl whose criterion falls, so that the first is picked."""
    from cdd_keras.evaluation import classification_report
    from cdd_keras.metrics.summary import plain

    report = plain(classification_report(model, pair, "test"))
    return {"step": step, "seconds": 2.0 * step, "label_free": {"agreement": 1 / step}, **report}


@pytest.fixture
def run_folder(trained, image_cache, monkeypatch):
    """The tiny run, shared: only for reading."""
    monkeypatch.setenv("CDD_KERAS_CACHE", str(image_cache))
    return trained


@pytest.fixture(scope="session")
def opened():
    """Path -> `OpenRun`, for `opened_once`."""
    return {}


@pytest.fixture
def opened_once(opened, trained, other_runs, monkeypatch):
    """The runs that tests share are opened once a session: it takes a second."""
    from cdd_keras import inference

    shared = {str(path) for path in (trained, *other_runs.values())}
    open_run = inference.open_run

    def open_once(path, precision="float32", strengths=None):
        if strengths or str(path) not in shared:
            return open_run(path, precision, strengths)
        if str(path) not in opened:
            opened[str(path)] = open_run(path, precision)
        return opened[str(path)]

    monkeypatch.setattr(inference, "open_run", open_once)


@pytest.fixture
def run_copy(run_folder, tmp_path):
    """A copy of the tiny run, to be changed."""
    return shutil.copytree(run_folder, tmp_path / "copy")


@pytest.fixture(scope="session")
def other_runs(tmp_path_factory, labelled_folder, image_cache, trained):
    """Method -> run folder, of methods that lack a network, a domain, values or their names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDD_KERAS_CACHE", str(image_cache))
        settings = {"data_dir": str(labelled_folder)}
        return {
            method: make_run(tmp_path_factory.mktemp("runs") / method, method, settings)
            for method in ("source_only", "cdd_gan", "cogan", "infogan", "dtn")
        }


@pytest.fixture
def strangers_images(tmp_path):
    """A folder of all kinds of image files, two corrupt ones and a text among them."""
    folder = tmp_path / "strangers"
    folder.mkdir()
    draws = np.random.default_rng(1)
    photo = Image.fromarray(draws.integers(0, 256, (40, 30, 3), "uint8"))
    turn = Image.Exif()
    turn[0x0112] = 6
    photo.convert("RGBA").save(folder / "alpha.png")
    photo.save(folder / "bitmap.bmp")
    photo.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(draws.integers(0, 2**16, (20, 33), "uint16")).save(folder / "deep.png")
    photo.save(folder / "film.gif", save_all=True, append_images=[photo.transpose(0)])
    photo.convert("L").save(folder / "grey.png")
    photo.convert("P").save(folder / "palette.png")
    photo.save(folder / "photo.jpg")
    photo.resize((1, 1)).save(folder / "pixel.png")
    photo.save(folder / "turned.jpg", exif=turn)
    photo.save(folder / "web.webp")
    whole = (folder / "photo.jpg").read_bytes()
    (folder / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("not an image")
    (folder / "notes.txt").write_text("not meant to be one")
    return folder


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """(the tiny run opened, the folder of its models), version 1 exported by the command."""
    from cdd_keras import cli, export
    from cdd_keras.inference import open_run

    out = tmp_path_factory.mktemp("models")
    assert cli.main(export.run, [str(trained), "--out", str(out)]) == 0
    return open_run(trained), out
