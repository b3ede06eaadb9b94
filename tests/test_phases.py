import pytest
from tiny import batches, config, fit

from cdd_keras.domains import SOURCE
from cdd_keras.methods import source_only
from cdd_keras.model import CrossDomainModel
from cdd_keras.objective import Phase, Player, Recipe, Term
from cdd_keras.terms import classify

LABELLED = classify(((SOURCE,),), (SOURCE,))


class Tracing(CrossDomainModel):
    """Notes the phase of each tracing; eager, of each step."""

    def train_step(self, batch):
        self.traced = [*getattr(self, "traced", []), self.phase]
        return super().train_step(batch)


@pytest.fixture
def model(monkeypatch):
    """`source_only` in two phases of two steps; the second has a term more."""

    def phase(start, *names):
        terms = tuple(Term(name, LABELLED) for name in names)
        return Phase(start, (Player("classifier", ("classifier",), terms),))

    recipe = Recipe((phase(0.0, "early"), phase(0.5, "early", "late")))
    monkeypatch.setattr(source_only, "recipe", lambda config: recipe)
    return Tracing(config("source_only", steps=4), 2)


def test_a_phase_begins_in_the_middle_of_an_epoch_and_is_traced_once(model):
    model.compile()
    history = fit(model, batches(4))
    assert list(model.traced) == [0, 1]
    assert model.phase == 1
    # What an epoch reports is what its last phase minimises.
    assert set(history) - {"loss", "skipped"} == {"classifier/early", "classifier/late"}
    fit(model, batches(3), epochs=2)
    assert list(model.traced) == [0, 1]
    assert int(model.step.numpy()) == 10


def test_phases_follow_the_step_run_eagerly_too(model):
    model.compile(run_eagerly=True)
    fit(model, batches(5))
    assert list(model.traced) == [0, 0, 1, 1, 1]


def test_a_restored_run_begins_in_its_phase(model):
    model.compile(run_eagerly=True)
    model.step.assign(3)
    fit(model, batches(1))
    assert list(model.traced) == [1]
