import pytest

from cdd_keras.data.attributes import Attribute, binary_attribute, kebab, match_attribute
from cdd_keras.errors import UsageError


@pytest.mark.parametrize("text", ["Wearing_Hat", "wearing-hat", " WEARING hat "])
def test_names_are_compared_in_kebab_case(text):
    assert kebab(text) == "wearing-hat"


def test_binary_attribute_names_its_values():
    attribute = binary_attribute("Wearing_Hat")
    assert attribute == Attribute("Wearing_Hat", ("no-wearing-hat", "wearing-hat"))
    assert attribute.classes == 2


@pytest.mark.parametrize(
    ("text", "index"), [("eyeglasses", 1), ("No_Eyeglasses", 0), ("1", 1), (0, 0)]
)
def test_value_by_name_or_index(text, index):
    assert binary_attribute("Eyeglasses").index(text) == index


def test_a_name_wins_over_an_index():
    assert Attribute("digit", ("1", "0")).index("0") == 1


@pytest.mark.parametrize("text", ["hat", "2", "-1", "", "²"])
def test_unknown_value_lists_the_options(text):
    with pytest.raises(UsageError, match=r"no-eyeglasses \(0\), eyeglasses \(1\)"):
        binary_attribute("Eyeglasses").index(text)


def test_attributes_are_matched_regardless_of_case():
    assert match_attribute("wearing-hat", ["Smiling", "Wearing_Hat"], "X") == "Wearing_Hat"


def test_unknown_attribute_is_answered_with_suggestions():
    with pytest.raises(UsageError) as caught:
        match_attribute("eyeglases", ["Smiling", "Eyeglasses"], "CelebA")
    assert str(caught.value) == (
        "`attr` names no attribute of CelebA: 'eyeglases'. Did you mean Eyeglasses? "
        "Expected one of Smiling, Eyeglasses."
    )
