import shutil
import zipfile

import numpy as np
import pytest

from cdd_keras.data.celeba import open_collections
from cdd_keras.data.pairs import load_pair
from cdd_keras.data.preprocessing import Preprocessing
from cdd_keras.data.sets import SPLITS
from cdd_keras.errors import CddError, UsageError


@pytest.fixture
def open_celeba(configure):
    def open_it(folder, splits=SPLITS):
        config = configure(data="celeba", data_dir=str(folder))
        return open_collections(config, Preprocessing(16, 0.85, 0.55), splits)[0]

    return open_it


def zip_images(folder, prefix):
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for path in sorted((folder / "img_align_celeba").iterdir()):
            archive.write(path, prefix + path.name)
    shutil.rmtree(folder / "img_align_celeba")


def test_standard_folder(celeba, open_celeba):
    faces = open_celeba(celeba)
    assert list(faces.columns) == ["Smiling", "Eyeglasses", "Wearing_Hat"]
    assert [int((faces.splits == split).sum()) for split in SPLITS] == [24, 8, 8]
    assert faces.labels("smiling")[1].tolist() == [1, 0] * 20
    assert faces.labels("eyeglasses")[1][:5].tolist() == [1, 0, 0, 0, 1]
    assert faces.ids[0] == "000001.jpg"
    assert faces.identities is None
    assert faces.read(np.array([0, 39])).shape == (2, 16, 16, 3)


@pytest.mark.parametrize("prefix", ["", "img_align_celeba/"])
def test_unopened_zip(celeba, open_celeba, prefix):
    unpacked = open_celeba(celeba).read(np.arange(40))
    zip_images(celeba, prefix)
    assert (open_celeba(celeba).read(np.arange(40)) == unpacked).all()


def test_folders_of_the_official_download(celeba, open_celeba):
    for part, name in [("Anno", "list_attr_celeba.txt"), ("Img", "img_align_celeba")]:
        (celeba / part).mkdir()
        (celeba / name).rename(celeba / part / name)
    assert len(open_celeba(celeba).ids) == 40


def test_all_that_is_missing_is_named_at_once(celeba, open_celeba):
    (celeba / "list_attr_celeba.txt").unlink()
    for number in (2, 3, 5, 7):
        (celeba / "img_align_celeba" / f"{number:06d}.jpg").unlink()
    with pytest.raises(UsageError) as caught:
        open_celeba(celeba)
    message = str(caught.value)
    assert "list_attr_celeba.txt; 4 of 40 images, such as 000002.jpg, 000003.jpg" in message
    assert message.count("list_eval_partition.txt") == 1


def cut(path, lines):
    path.write_text("\n".join(path.read_text().splitlines()[:lines]) + "\n")


def test_half_an_attribute_table_is_named_with_the_rest(celeba, open_celeba):
    cut(celeba / "list_attr_celeba.txt", 2 + 30)
    (celeba / "img_align_celeba" / "000002.jpg").unlink()
    with pytest.raises(UsageError) as caught:
        open_celeba(celeba)
    assert (
        "Missing: 1 of 40 images, such as 000002.jpg; 10 of 40 attribute rows, such as "
        "000031.jpg, 000032.jpg, 000033.jpg. Expected" in str(caught.value)
    )


def test_the_count_of_attribute_rows_is_compared(celeba, open_celeba):
    cut(celeba / "list_attr_celeba.txt", 2 + 36)
    cut(celeba / "list_eval_partition.txt", 36)
    with pytest.raises(UsageError, match=r"Missing: 4 of 40 attribute rows\. Expected"):
        open_celeba(celeba)
    path = celeba / "list_attr_celeba.txt"
    path.write_text(path.read_text().replace("40\n", "36\n", 1))
    assert len(open_celeba(celeba).ids) == 36
    path.write_text(path.read_text().replace("36\n", "many\n", 1))
    with pytest.raises(UsageError, match=r"line 1: expected the number of images, got 'many'"):
        open_celeba(celeba)


def test_a_folder_of_something_else(tmp_path, open_celeba):
    with pytest.raises(UsageError) as caught:
        open_celeba(tmp_path)
    assert (
        "Missing: img_align_celeba/ or img_align_celeba.zip; list_attr_celeba.txt; "
        "list_eval_partition.txt." in str(caught.value)
    )


def test_half_a_zip_is_named_with_the_rest(celeba, open_celeba):
    zip_images(celeba, "")
    path = celeba / "img_align_celeba.zip"
    path.write_bytes(path.read_bytes()[:-500])
    (celeba / "list_eval_partition.txt").unlink()
    with pytest.raises(UsageError, match=r"not wholly downloaded.*; list_eval_partition\.txt"):
        open_celeba(celeba)


def test_splits_not_asked_may_be_absent(celeba, open_celeba):
    for number in range(1, 33):
        (celeba / "img_align_celeba" / f"{number:06d}.jpg").unlink()
    faces = open_celeba(celeba, ("test",))
    assert faces.read(np.flatnonzero(faces.splits == "test")).shape[0] == 8


def test_a_wrong_data_dir(configure, open_celeba, celeba):
    with pytest.raises(UsageError, match="`data_dir` does not exist: nowhere"):
        open_celeba("nowhere")
    with pytest.raises(UsageError, match="`data_dir` is not a folder"):
        open_celeba(celeba / "list_attr_celeba.txt")
    with pytest.raises(UsageError, match="`data_dir` is required for data celeba"):
        load_pair(configure(data="celeba"))


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("list_attr_celeba.txt", "000041.jpg 1 -1", "line 43: expected a file name and 3 times"),
        ("list_attr_celeba.txt", "000041.jpg 1 -1 0", "line 43: expected a file name and 3 times"),
        ("list_eval_partition.txt", "000041.jpg 3", r"line 41: expected `FILE 0 or 1 or 2`"),
        ("list_eval_partition.txt", "000041.jpg", "line 41: expected `FILE"),
    ],
)
def test_a_line_that_cannot_be_parsed_is_named(celeba, open_celeba, name, line, message):
    with (celeba / name).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UsageError, match=f"{name}, {message}"):
        open_celeba(celeba)


def test_a_damaged_image_is_named(celeba, open_celeba):
    (celeba / "img_align_celeba" / "000004.jpg").write_bytes(b"nothing")
    with pytest.raises(CddError, match=r"000004\.jpg is not an image"):
        open_celeba(celeba).read(np.arange(8))


def test_a_changed_image_is_read_anew(celeba, open_celeba):
    before = open_celeba(celeba).read(np.array([0, 1])).copy()
    shutil.copy(celeba / "img_align_celeba/000009.jpg", celeba / "img_align_celeba/000001.jpg")
    after = open_celeba(celeba).read(np.array([0, 1]))
    assert (after[0] != before[0]).any()
    assert (after[1] == before[1]).all()


def test_persons_come_with_the_identities(celeba, open_celeba):
    lines = [f"{i:06d}.jpg {i % 7}\n" for i in range(1, 41)]
    (celeba / "identity_CelebA.txt").write_text("".join(lines))
    assert open_celeba(celeba).identities[:8].tolist() == [1, 2, 3, 4, 5, 6, 0, 1]
    (celeba / "identity_CelebA.txt").write_text("".join(lines[:-2]))
    with pytest.raises(UsageError, match=r"person of 2 images, such as 000039\.jpg"):
        open_celeba(celeba)
