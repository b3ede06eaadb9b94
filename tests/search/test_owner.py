"""Claims: the newest holds."""

import shutil

import pytest

from cdd_keras.search.owner import Claim, TakenError


def test_the_newest_claim_holds(tmp_path):
    first = Claim(tmp_path / "0", "worker")
    first.check()
    # Started again under the same name.
    second = Claim(tmp_path / "0", "worker")
    second.check()
    with pytest.raises(TakenError, match=r"taken over by another process \(worker "):
        first.check()


def test_a_trial_that_is_gone_is_nobodys(tmp_path):
    claim = Claim(tmp_path / "0", "worker")
    shutil.rmtree(tmp_path / "0")
    with pytest.raises(TakenError, match="nobody"):
        claim.check()
