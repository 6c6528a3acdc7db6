"""Three ways to say that a text gives a value."""

import pytest

from lamlam.evaluate.matching import contains, first_answer, peer_lenient, strict


@pytest.mark.parametrize(
    ("text", "is_strict", "is_lenient", "is_contained"),
    [
        (" Paris", True, True, True),
        ("\n\t Paris, where", True, True, True),
        ("Paris’s", True, True, False),
        (" Parisian", False, True, False),
        (" Paris2", False, True, False),
        (" Paris\u0301", False, True, True),  # accents do not count where case does not
        (" in Paris", False, True, True),
        (" paris", False, True, True),
        (" Pari", False, False, False),
        ("", False, False, False),
        ("one two three four five Paris", False, False, True),
        ("London. Then Paris", False, True, False),
        ("J. Smith of Paris", False, True, True),
    ],
)
def test_each_way(text, is_strict, is_lenient, is_contained):
    values = ["Nowhere", "Paris"]
    assert (strict(text, values), peer_lenient(text, values), contains(text, values)) == (
        is_strict,
        is_lenient,
        is_contained,
    )


def test_a_value_of_six_words_is_never_lenient():
    value = "a b c d e f"
    assert strict(value, [value])
    assert not peer_lenient(value, [value])


def test_the_first_answer():
    assert first_answer(" It is 3.5 by J. Doe. More") == "It is 3.5 by J. Doe"
    assert first_answer("one\ntwo") == "one"
    assert first_answer("") == ""
