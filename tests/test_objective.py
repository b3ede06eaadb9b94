import pytest

from cdd_keras.domains import OTHER, SOURCE, TARGET, Edit
from cdd_keras.objective import Phase, Player, Recipe, Term


def term(name="kl", **settings):
    return Term(name, lambda routes: routes, **settings)


def player(name="generator", networks=("generator",), terms=None):
    return Player(name, networks, (term(),) if terms is None else terms)


def test_a_term_weighs_one_and_does_not_ramp_unless_told():
    assert (term().weight, term().ramp) == (1.0, None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight": -0.1}, "`weight` of term 'kl' is negative"),
        ({"ramp": (0.5, 0.4)}, "`ramp` of term 'kl' ends before it starts"),
    ],
)
def test_terms_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        term(**settings)


def test_a_ramp_may_be_a_jump():
    assert term(ramp=(0.5, 0.5)).ramp == (0.5, 0.5)


def test_players_are_checked():
    with pytest.raises(ValueError, match="two terms of one name"):
        player(terms=(term(), term()))


def test_a_player_may_rest_in_some_phases_but_not_in_all():
    resting, busy = Phase(0.0, (player(terms=()),)), Phase(0.5, (player(),))
    assert len(Recipe((resting, busy)).players) == 1
    with pytest.raises(ValueError, match="Player 'generator' has no term to minimise"):
        Recipe((resting,))


@pytest.mark.parametrize("starts", [(), (0.1,), (0.0, 0.5, 0.5), (0.0, 0.6, 0.3)])
def test_phases_start_at_zero_and_rise(starts):
    with pytest.raises(ValueError, match="must start at 0 and in rising order"):
        Recipe(tuple(Phase(start, (player(),)) for start in starts))


def test_phases_have_the_same_players():
    second = Phase(0.5, (player(networks=("generator", "encoder")),))
    with pytest.raises(ValueError, match="differ in their players"):
        Recipe((Phase(0.0, (player(),)), second))


def test_phases_may_differ_in_terms():
    second = Phase(0.5, (player(terms=(term(), term("edit"))),))
    recipe = Recipe((Phase(0.0, (player(),)), second))
    assert [len(phase.players[0].terms) for phase in recipe.phases] == [1, 2]


def test_a_recipe_is_settled_when_its_last_ramp_ends():
    ramped = player(terms=(term("edit", ramp=(0.2, 0.4)), term()))
    assert Recipe((Phase(0.0, (ramped,)),)).settled == 0.4
    assert Recipe((Phase(0.0, (player(),)), Phase(0.5, (ramped,)))).settled == 0.5
    assert Recipe((Phase(0.0, (player(),)),)).settled == 0


def test_a_network_has_one_player():
    players = (player(), player("discriminator", ("discriminator", "generator")))
    with pytest.raises(ValueError, match="two players"):
        Recipe((Phase(0.0, players),))


@pytest.mark.parametrize(
    ("fraction", "phase"), [(0.0, 0), (0.29, 0), (0.3, 1), (0.79, 1), (0.8, 2), (1.0, 2), (7.0, 2)]
)
def test_the_phase_of_a_moment(fraction, phase):
    recipe = Recipe(tuple(Phase(start, (player(),)) for start in (0.0, 0.3, 0.8)))
    assert recipe.phase_at(fraction) == phase


def test_an_address_without_a_group_is_one_of_its_own():
    group = ((SOURCE, TARGET), Edit((TARGET, TARGET), OTHER))
    phase = Phase(0.0, (player(),), (group,))
    assert phase.group_of(group[0]) == phase.group_of(group[1]) == group
    assert phase.group_of((TARGET, SOURCE)) == ((TARGET, SOURCE),)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([[(SOURCE, TARGET), (TARGET, SOURCE)]], "one domain"),
        ([[(SOURCE,), (TARGET, SOURCE)]], "generated"),
        ([[(SOURCE, TARGET)], [(SOURCE, TARGET)]], "two groups"),
    ],
)
def test_groups_that_cannot_be_one_batch_are_refused(groups, words):
    with pytest.raises(ValueError, match=words):
        Phase(0.0, (), tuple(map(tuple, groups)))
