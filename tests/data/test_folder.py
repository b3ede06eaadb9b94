import numpy as np
import pytest
from PIL import Image

from cdd_keras.data.folder import open_collections
from cdd_keras.data.pairs import load_pair
from cdd_keras.data.preprocessing import Preprocessing
from cdd_keras.errors import UsageError


@pytest.fixture
def make(draw_image):
    """Writes images of mixed formats and sizes."""

    def write(folder, names, first=0):
        for i, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw_image(first + i, 20 + i, 24)).save(path)
        return folder

    return write


@pytest.fixture
def table(tmp_path, make):
    """Twelve images with a table: hat 0/1, smile -1/1, breed by name."""
    names = [f"images/{i:02d}.{('png', 'jpg', 'webp')[i % 3]}" for i in range(12)]
    rows = [f"{n},{i % 2},{2 * (i % 3 > 0) - 1},{'abc'[i % 3]}" for i, n in enumerate(names)]
    folder = make(tmp_path / "table", names)
    (folder / "attributes.csv").write_text("\n".join(["file,hat,smile,breed", *rows]) + "\n")
    return folder


@pytest.fixture
def classes(tmp_path, make):
    names = [f"{kind}/{i}.png" for kind in ("glasses", "plain") for i in range(10)]
    return make(tmp_path / "classes", names)


@pytest.fixture
def open_folder(configure):
    def open_it(folder, splits=("train",), **fields):
        names = {"domains": "a-b"} if "target_dir" in fields else {}
        config = configure(data="folder", data_dir=str(folder), **names, **fields)
        return open_collections(config, Preprocessing(16), splits)

    return open_it


def test_a_table_of_attributes(table, open_folder):
    (images,) = open_folder(table)
    assert images.labels("HAT")[1].tolist() == [0, 1] * 6
    assert images.labels("smile")[0].values == ("no-smile", "smile")
    assert images.labels("breed")[0].values == ("a", "b", "c")
    assert images.ids[0] == "images/00.png"
    assert images.read(np.arange(12)).shape == (12, 16, 16, 3)
    assert set(images.splits) == {"train", "validation", "test"}


def test_splits_and_persons_of_a_table(table, open_folder):
    lines = (table / "attributes.csv").read_text().splitlines()
    extra = [f"{line},{'test' if i < 4 else 'train'},{i // 3}" for i, line in enumerate(lines[1:])]
    (table / "attributes.csv").write_text("\n".join([f"{lines[0]},Split,identity", *extra]))
    (images,) = open_folder(table)
    assert (images.splits[:4] == "test").all()
    assert "test" not in images.splits[4:]
    assert images.identities.tolist() == [str(i // 3) for i in range(12)]
    assert set(images.columns) == {"hat", "smile", "breed"}


def test_a_folder_a_class(classes, open_folder):
    (images,) = open_folder(classes)
    assert images.labels("class")[0].values == ("glasses", "plain")
    assert images.labels("glasses")[1].tolist() == [1] * 10 + [0] * 10


def test_classes_below_splits(tmp_path, make, open_folder):
    names = [f"{s}/{c}/{i}.png" for s in ("train", "test") for c in "ab" for i in range(5)]
    (images,) = open_folder(make(tmp_path / "all", names))
    assert (images.splits == "test").sum() == 10
    assert (images.splits == "validation").sum() == 1
    assert images.labels("class")[0].values == ("a", "b")


def test_an_unlabelled_target(table, tmp_path, make, configure):
    target = make(tmp_path / "target", [f"{i}.png" for i in range(12)], first=100)
    fields = {"data": "folder", "data_dir": str(table), "target_dir": str(target)}
    pair = load_pair(configure(**fields, attr="hat", domains="drawing-photo"))
    assert pair.names == {"source": "drawing", "target": "photo"}
    assert pair.get("train", "target").labels is None
    assert pair.get("train", "source").labels is not None
    assert len(pair.get("test", "target")) == 2


def test_sketches_of_ones_own_are_not_drawn_again(table, tmp_path, make, configure):
    target = make(tmp_path / "target", [f"{i}.png" for i in range(12)], first=100)
    fields = {"data": "folder", "data_dir": str(table), "target_dir": str(target)}
    pair = load_pair(configure(**fields, attr="hat", domains="sketch-photo"))
    images = pair.get("train", "source").images
    assert (images[..., 0] != images[..., 1]).any()


def test_labels_of_a_target_are_numbered_as_the_sources(table, tmp_path, make, configure):
    target = make(tmp_path / "target", [f"{kind}/{i}.png" for kind in "cb" for i in range(8)], 50)
    fields = {"data": "folder", "data_dir": str(table), "target_dir": str(target)}
    pair = load_pair(configure(**fields, attr="breed", domains="x-y"))
    assert pair.get("train", "target").labels is None
    (target / "attributes.csv").write_text(
        "file,Breed\n" + "".join(f"{kind}/{i}.png,{kind}\n" for kind in "cb" for i in range(8))
    )
    pair = load_pair(configure(**fields, attr="breed", domains="x-y"))
    for split in ("train", "test"):
        images = pair.get(split, "target")
        assert [{"b": 1, "c": 2}[name[0]] for name in images.ids] == images.labels.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,hat\n", "lists no image"),
        ("file,hat\nimages/00.png\n", r"line 2: expected 2 filled cells \(file, hat\)"),
        ("file,hat\nimages/00.png,\n", "line 2: expected 2 filled cells"),
        ("file,hat\nx.png,1\ny.png,0\n", r"lists 2 files that are not there, such as x\.png"),
        ("file,hat,split\nimages/00.png,1,dev\n", "`split` must be one of train.*'dev'"),
    ],
)
def test_a_wrong_table(table, open_folder, text, message):
    (table / "attributes.csv").write_text(text)
    with pytest.raises(UsageError, match=message):
        open_folder(table)


@pytest.mark.parametrize("named", [True, False])
def test_images_of_splits_not_asked_may_be_absent(table, open_folder, named):
    if named:
        lines = (table / "attributes.csv").read_text().splitlines()
        rows = [f"{line},{'test' if i < 4 else 'train'}" for i, line in enumerate(lines[1:])]
        (table / "attributes.csv").write_text("\n".join([f"{lines[0]},split", *rows]))
    (images,) = open_folder(table)
    test = images.splits == "test"
    whole = images.read(np.flatnonzero(test))
    for name in images.ids[~test]:
        (table / name).unlink()
    (images,) = open_folder(table, ("test",))
    assert (images.splits == "test").tolist() == test.tolist()
    assert (images.read(np.flatnonzero(test)) == whole).all()
    with pytest.raises(UsageError, match=r"lists [0-9]+ files that are not there"):
        open_folder(table, ("train", "test"))


def test_files_outside_the_folder_of_their_table(table, tmp_path, make, open_folder):
    make(tmp_path / "elsewhere", ["a.png", "b.png"], first=50)
    rows = f"../elsewhere/a.png,1\n{tmp_path / 'elsewhere' / 'b.png'},0\n"
    (table / "attributes.csv").write_text("file,hat\n" + rows)
    (images,) = open_folder(table)
    assert images.ids.tolist() == ["../elsewhere/a.png", "../elsewhere/b.png"]
    (tmp_path / "elsewhere" / "b.png").unlink()
    with pytest.raises(UsageError, match=r"lists 1 files that are not there, such as \.\./else"):
        open_folder(table)


def test_unlabelled_images_cannot_be_the_source(tmp_path, make, open_folder):
    with pytest.raises(UsageError, match="holds images but no labels"):
        open_folder(make(tmp_path / "flat", ["a.png"]))


def test_wrong_target_folders(table, open_folder):
    with pytest.raises(UsageError, match="`target_dir` does not exist: nowhere"):
        open_folder(table, target_dir="nowhere")
    with pytest.raises(UsageError, match="`target_dir` is `data_dir`"):
        open_folder(table, target_dir=str(table))


def test_a_target_within_the_source_or_around_it(classes, open_folder):
    inner = classes / "glasses"
    with pytest.raises(
        UsageError, match=r"`target_dir` lies in `data_dir`: .*glasses in .*classes"
    ):
        open_folder(classes, target_dir=str(inner))
    with pytest.raises(
        UsageError, match=r"`data_dir` lies in `target_dir`: .*glasses in .*classes"
    ):
        open_folder(inner, target_dir=str(classes))
    link = classes.parent / "link"
    link.symlink_to(inner)
    with pytest.raises(UsageError, match="`target_dir` lies in `data_dir`"):
        open_folder(classes, target_dir=str(link))


def test_neighbours_with_like_names_are_apart(classes, make, open_folder):
    target = make(classes.parent / "classes-2", ["a.png"], first=100)
    assert len(open_folder(classes, target_dir=str(target))) == 2


def test_unknown_class(classes, configure):
    config = configure(data="folder", data_dir=str(classes), attr="glases")
    with pytest.raises(UsageError, match=r"Did you mean glasses.*class, glasses, plain"):
        load_pair(config)
