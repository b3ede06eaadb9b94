"""The search's folder: what may be gone on with or replaced, after a kill anywhere too."""

import dataclasses
import shutil

import pytest

from cdd_keras.errors import UsageError


def test_a_kill_before_the_search_was_written_leaves_none(plan):
    plan.folder.plan.unlink()
    (plan.folder.path / f".{'0' * 32}.search.yaml").write_text("half")
    for asked in ({"resume": True, "overwrite": False}, {"resume": False, "overwrite": False}):
        plan.prepare(**asked)
        plan.check_same()
        plan.folder.plan.unlink()


def test_a_base_yaml_of_somebody_else_is_kept(plan):
    plan.folder.plan.unlink()
    plan.folder.base.write_text("attr: mine\n")
    for asked in (False, True):
        with pytest.raises(UsageError):
            plan.prepare(resume=asked, overwrite=False)
    with pytest.raises(UsageError):
        plan.prepare(resume=False, overwrite=True)
    assert plan.folder.base.read_text() == "attr: mine\n"


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_kill_while_a_search_is_overwritten_can_be_overwritten(kept, plan, monkeypatch):
    class KilledError(BaseException):
        """Stands for the end of a process."""

    for name in ("0", "1", "2"):
        plan.folder.trial(name).path.mkdir(parents=True)
    plan.folder.oracle.mkdir()
    left, remove = [kept], shutil.rmtree

    def remove_some(path):
        left[0] -= 1
        if left[0] == 0:
            raise KilledError
        remove(path)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", remove_some)
        if kept < 3:
            with pytest.raises(KilledError):
                plan.prepare(resume=False, overwrite=True)
            with pytest.raises(UsageError, match=r"was being overwritten.*--overwrite"):
                plan.prepare(resume=True, overwrite=False)
    plan.prepare(resume=False, overwrite=True)
    plan.check_same()
    names = {path.name for path in plan.folder.path.iterdir()}
    assert names == {"base.yaml", "search.yaml"}


@pytest.mark.parametrize("content", ["", "tuner", "tuner: [", "tuner: a\ntuner: b\n", "\0"])
def test_a_damaged_search_yaml_is_named(content, plan):
    plan.folder.plan.write_text(content)
    with pytest.raises(UsageError, match=r"search\.yaml (is damaged|cannot be read)"):
        plan.check_same()


def test_the_mark_of_an_ended_search_is_for_as_many_trials(plan):
    assert not plan.is_finished()
    plan.mark_finished()
    assert plan.is_finished()
    assert not dataclasses.replace(plan, max_trials=4).is_finished()
    plan.prepare(resume=True, overwrite=False)
    assert not plan.is_finished()
