import pytest

from cdd_keras.domains import (
    ANY,
    DOMAINS,
    NOISE,
    OTHER,
    OWN,
    SOURCE,
    TARGET,
    Edit,
    last_domain,
    other,
)


def test_the_other_of_the_other_is_the_domain_itself():
    assert [other(domain) for domain in DOMAINS] == [TARGET, SOURCE]
    assert [other(other(domain)) for domain in DOMAINS] == list(DOMAINS)


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ((SOURCE,), SOURCE),
        ((SOURCE, TARGET), TARGET),
        ((SOURCE, TARGET, SOURCE), SOURCE),
        ((NOISE, TARGET), TARGET),
        (Edit((SOURCE, TARGET), ANY), TARGET),
        ((Edit((SOURCE, TARGET), OTHER),), TARGET),
        (Edit((Edit((TARGET, TARGET), OTHER), SOURCE), OWN), SOURCE),
    ],
)
def test_an_address_ends_in_a_domain(address, domain):
    assert last_domain(address) == domain


def test_edits_are_equal_by_content_and_can_be_keys():
    assert Edit((SOURCE, SOURCE), OWN) == Edit((SOURCE, SOURCE), OWN, (0.0, 1.0))
    assert len({Edit((SOURCE, SOURCE), OWN), Edit((SOURCE, SOURCE), OTHER)}) == 2
    assert Edit((SOURCE, SOURCE), OWN) != Edit((SOURCE, SOURCE), OWN, (0.0, 0.5))
