import subprocess
import sys

import numpy as np
import pytest

from cdd_keras.data.cache import (
    UnreadableImagesError,
    cached_files,
    cached_images,
    fingerprint,
    in_parallel,
)
from cdd_keras.errors import CddError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)


def halves():
    return iter([IMAGES[:2], IMAGES[2:]])


def never():
    raise AssertionError("made twice")


def test_images_are_made_once_and_mapped(cache):
    made = cached_images("x", "key", 5, 4, halves)
    again = cached_images("x", "key", 5, 4, never)
    assert (made == IMAGES).all()
    assert (again == IMAGES).all()
    assert isinstance(again, np.memmap)
    assert not again.flags.writeable
    assert [path.name for path in cache.iterdir()] == ["x-4px-key.npy"]


def test_another_key_makes_other_images(cache):
    cached_images("x", "a", 5, 4, halves)
    cached_images("x", "b", 5, 4, halves)
    assert len(list(cache.iterdir())) == 2


def test_a_failure_leaves_nothing_behind(cache):
    with pytest.raises(AssertionError):
        cached_images("x", "key", 5, 4, never)
    with pytest.raises(CddError, match="Expected 6 images and read 5"):
        cached_images("x", "key", 6, 4, halves)
    with pytest.raises(CddError, match="Expected 4 images and read 5"):
        cached_images("x", "key", 4, 4, halves)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"not an array", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_made_again(cache, damage):
    cache.mkdir()
    (cache / "x-4px-key.npy").write_bytes(damage)
    assert (cached_images("x", "key", 5, 4, halves) == IMAGES).all()


def test_a_folder_that_cannot_be_written_is_named(cache, tmp_path):
    cache.write_text("a file where the folder should be")
    with pytest.raises(CddError, match=r"cache cannot be written.*CDD_KERAS_CACHE"):
        cached_images("x", "key", 5, 4, halves)


def test_a_full_disk_is_told_and_nothing_left(cache):
    program = (
        "import resource, numpy as np; from cdd_keras.data.cache import cached_images\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "halves = lambda: iter([np.zeros((50, 16, 16, 3), np.uint8)] * 2)\n"
        "cached_images('x', 'key', 100, 16, halves)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert f"CddError: The images cannot be kept in {cache}: File too large" in last
    assert list(cache.iterdir()) == []


def test_fingerprints_tell_parts_apart():
    assert fingerprint("a", 1) == fingerprint("a", 1)
    assert len({fingerprint("a", 1), fingerprint("a", 2), fingerprint("a1")}) == 3


def test_parallel_reading_keeps_the_order():
    read = in_parallel(lambda i: np.full((2,), i), list(range(1000)))
    assert (np.concatenate(list(read))[:, 0] == np.arange(1000)).all()


def reader(unreadable, tried):
    """Gives the image a number stands for; fails for some, and lists those it was asked for."""

    def read(number):
        tried.append(number)
        if number in unreadable:
            raise CddError(f"{number} is damaged.")
        return np.full((4, 4, 3), number % 256, np.uint8)

    return read


def test_all_that_cannot_be_read_are_named():
    with pytest.raises(UnreadableImagesError, match=r"2 images cannot be read: 3 is .* 700 is"):
        list(in_parallel(reader({3, 700}, []), range(1000)))
    with pytest.raises(UnreadableImagesError) as caught:
        list(in_parallel(reader({3, 700}, []), range(2, 1000)))
    assert caught.value.reasons == {1: "3 is damaged.", 698: "700 is damaged."}
    assert caught.value.exit_code == 2


def test_what_cannot_be_read_is_found_once():
    tried = []
    for expected in (range(6), [2]):
        with pytest.raises(UnreadableImagesError) as caught:
            cached_files("x", "key", range(6), 4, reader({2}, tried))
        assert list(caught.value.reasons) == [2]
        assert sorted(tried) == list(expected)
        tried.clear()
    # Mended without a change to the file, by a permission for example.
    images = cached_files("x", "key", range(6), 4, reader(set(), tried))
    assert images[:, 0, 0, 0].tolist() == list(range(6))
