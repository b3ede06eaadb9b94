import numpy as np

from cdd_keras.data.splits import carve, keep_apart, limited, two_halves


def test_carve_fills_in_what_is_missing():
    splits = carve(np.full(600, "train"), 0.1)
    counts = {name: int((splits == name).sum()) for name in ("train", "validation", "test")}
    assert counts == {"train": 450, "validation": 50, "test": 100}


def test_carve_keeps_what_is_named():
    given = np.array(["train"] * 20 + ["test"] * 5)
    splits = carve(given, 0.25)
    assert (splits == "validation").sum() == 5
    assert (splits[20:] == "test").all()
    assert (carve(splits, 0.25) == splits).all()


def test_carve_leaves_data_without_training_images_alone():
    assert carve(np.array(["test"] * 3), 0.1).tolist() == ["test"] * 3


def test_halves_are_even_and_fixed():
    first = two_halves(np.arange(101))
    assert first.sum() == 51
    assert (first == two_halves(np.arange(101))).all()


def test_halves_keep_groups_together():
    people = np.random.default_rng(0).integers(0, 30, 300)
    first = two_halves(people)
    assert not set(people[first]) & set(people[~first])
    assert abs(first.sum() - 150) <= 15


def test_no_person_stays_in_two_splits():
    splits = np.array(["train", "train", "validation", "validation", "test", "train"])
    people = np.array([1, 2, 2, 3, 3, 3])
    assert keep_apart(splits, people).tolist() == [True, False, True, False, True, False]
    assert keep_apart(splits, None).all()


def test_limit_takes_nested_subsets_in_order():
    indices = np.arange(100, 200)
    few, more = limited(indices, 5), limited(indices, 20)
    assert set(few) < set(more) < set(indices)
    assert (np.diff(more) > 0).all()
    assert (limited(indices, None) == indices).all()
    assert (limited(indices, 500) == indices).all()
