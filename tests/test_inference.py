"""Finding runs, reading images and writing pictures."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image
from small_files import CORRUPT, READABLE

from cdd_keras import checkpoints, inference
from cdd_keras.data.images import find_images, read_image
from cdd_keras.data.preprocessing import Preprocessing, to_float
from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.errors import CddError, UsageError
from cdd_keras.inference import ImageReader, distinct, find_run, make_folder, open_run, save_picture
from cdd_keras.use import for_any_batch


def test_commands_start_and_fail_without_tensorflow(run_folder, tmp_path):
    program = """
        import sys
        from cdd_keras import classify, cli, evaluate, export, sample, translate

        run, picture, folder = sys.argv[1:]
        modules = (classify, evaluate, export, sample, translate)
        commands = [(module, ["--help"], 0) for module in modules]
        commands += [
            (export, [run], 2),
            (export, [folder, "--out", folder], 2),
            (classify, [run], 2),
            (classify, [run, folder + "/missing"], 2),
            (classify, [folder, picture], 2),
            (evaluate, [run, "--split", "some"], 2),
            (evaluate, [run, "--data-dir", folder + "/missing"], 2),
            (sample, [run, "--out", folder], 2),
            (sample, [run, "--out", "x.png", "--value", "hat"], 2),
            (translate, [run, picture, "--to", "target", "--out", folder, "--set", "hat"], 2),
        ]
        for module, arguments, code in commands:
            assert cli.main(module.run, arguments) == code, arguments
        assert not {"tensorflow", "keras"} & set(sys.modules)
    """
    picture = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(picture)
    command = [sys.executable, "-c", textwrap.dedent(program), run_folder, picture, tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("error: ") == 10


def test_open_run_loads_the_label_free_pick(run_folder):
    run = open_run(run_folder)
    assert (run.step, run.config.method) == (1, "cdd")
    assert run.attribute.values == ("no-eyeglasses", "eyeglasses")
    assert run.names == {SOURCE: "sketch", TARGET: "photo"}
    assert run.preprocessing.get_config()["image_size"] == 16
    assert int(run.model.step.numpy()) == 1
    assert not run.model.compiled


def test_weights_of_an_uncompiled_model_are_those_of_training(run_folder, opened_once):
    run = inference.open_run(run_folder)
    compiled = type(run.model)(run.config, 2)
    compiled.compile()
    checkpoints.load(compiled, run.folder.checkpoints, 1)
    for one, other in zip(run.model.weights, compiled.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    checkpoints.load(compiled, run.folder.checkpoints, 2)
    moved = zip(run.model.weights, compiled.weights, strict=True)
    assert any(not np.array_equal(one, other) for one, other in moved)


def test_run_without_evaluations_gives_its_newest_checkpoint(run_copy):
    (run_copy / "metrics.jsonl").unlink()
    assert find_run(run_copy).step == 2


def test_what_a_run_lacks_is_named(run_copy, tmp_path):
    with pytest.raises(UsageError, match=r"The run does not exist: .*nowhere"):
        find_run(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"The run is not a folder: .*config\.yaml"):
        find_run(run_copy / "config.yaml")
    with pytest.raises(UsageError, match=r"is not a run folder: it has no config\.yaml"):
        find_run(run_copy / "judges")
    checkpoints.path_of(run_copy / "checkpoints", 1).unlink()
    with pytest.raises(CddError, match=r"step-00000001\.weights\.h5 is missing.*the steps 2\."):
        find_run(run_copy)
    checkpoints.path_of(run_copy / "checkpoints", 2).unlink()
    with pytest.raises(CddError, match=r"has no checkpoint: expected checkpoints/step-"):
        find_run(run_copy)
    (run_copy / "labels.json").unlink()
    with pytest.raises(CddError, match=r"labels\.json cannot be read"):
        find_run(run_copy)


def test_damaged_checkpoint_is_named(run_copy):
    path = checkpoints.path_of(run_copy / "checkpoints", 1)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CddError, match=r"step-00000001\.weights\.h5 cannot be read"):
        open_run(run_copy)


def test_large_images_come_in_smaller_batches(run_folder):
    run = find_run(run_folder)
    sizes = [
        inference.StoredRun(
            run.folder, run.config.replace(image_size=size), run.attribute, run.names, 1
        ).batch_size
        for size in (16, 128, 256)
    ]
    assert sizes == [64, 64, 16]


def test_reader_tells_counts_and_skips(strangers_images):
    said, preprocessing = [], Preprocessing(16)
    reader = ImageReader(preprocessing, said.append, batch_size=4)
    batches = list(reader(find_images([strangers_images])))
    assert [path.name for paths, _ in batches for path in paths] == list(READABLE)
    for paths, images in batches:
        assert images.shape == (len(paths), 16, 16, 3)
        assert images.dtype == np.uint8
        assert len(paths) <= 4
        for path, image in zip(paths, images, strict=True):
            np.testing.assert_array_equal(image, preprocessing.apply(read_image(path)[None])[0])
    assert [path.name for path in reader.unreadable] == list(CORRUPT)
    assert len(said) == 2
    assert all(name in message for name, message in zip(CORRUPT, said, strict=True))
    assert reader.summary("read") == "read 11 images, skipped 2 that cannot be read"
    assert reader.exit_code == 0


def test_reader_is_lazy_and_keeps_files_named_twice(strangers_images):
    asked = []

    def paths():
        for _ in range(5):
            asked.append(1)
            yield strangers_images / "photo.jpg"

    reader = ImageReader(Preprocessing(16), pytest.fail, batch_size=2)
    batches = reader(paths())
    assert len(next(batches)[1]) == 2
    assert len(asked) == 2
    assert sum(len(images) for _, images in batches) == 3
    assert reader.read == 5


def test_reader_fails_only_if_nothing_could_be_read(strangers_images):
    reader = ImageReader(Preprocessing(16), lambda message: None)
    assert list(reader([])) == []
    assert reader.exit_code == 0
    assert list(reader([strangers_images / name for name in CORRUPT])) == []
    assert reader.exit_code == 1


def test_one_image_is_read_alike_in_any_batch(run_folder, opened_once, strangers_images):
    run = inference.open_run(run_folder)
    (_, images), *rest = ImageReader(run.preprocessing, lambda message: None)(
        find_images([strangers_images])
    )
    assert not rest
    for domain in DOMAINS:
        together = run.model.classify(to_float(images), domain)
        alone = run.model.classify(to_float(images[3:4]), domain)
        np.testing.assert_allclose(together[3:4], alone, atol=1e-5)


def test_models_that_each_trace_once_are_no_frequent_tracing(caplog):
    class Model:
        @for_any_batch
        def twice(self, images, domain):
            return 2 * images

    with caplog.at_level("WARNING", "tensorflow"):
        for _ in range(8):
            assert Model().twice(np.ones((3, 2), "float32"), SOURCE).shape == (3, 2)
    assert not caplog.messages


def test_distinct_files(tmp_path):
    one, two = tmp_path / "a.png", tmp_path / "b.png"
    assert distinct([one, two, tmp_path / "x" / ".." / "a.png", two]) == [one, two]


def test_names_that_are_not_unicode_can_be_printed():
    assert inference.shown("a\udcff.png") == "a\\xff.png"
    assert inference.shown("grün.png") == "grün.png"


def test_folders_that_cannot_be_made_are_named(tmp_path):
    make_folder("--out", tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match=r"`--out`: .*file.* is not a folder"):
            make_folder("--out", path)


def test_pictures_are_replaced_whole(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("before")
    save_picture(Image.new("RGB", (2, 3), "red"), path)
    with Image.open(path) as image:
        assert image.size == (2, 3)
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(CddError, match=r"taken\.png cannot be written: Is a directory"):
        save_picture(Image.new("RGB", (2, 3)), tmp_path / "taken.png")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "taken.png"]
