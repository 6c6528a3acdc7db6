"""Which spellings are one name, and which are somebody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamlam.kb import Fact
from lamlam.kb.name_score import fitted, name_score
from lamlam.kb.names import deletions, normalise, spellings
from lamlam.kb.similarity import THRESHOLD, relation_score, synonymous

SAME = [
    ("Ada Lovelacce", "Ada Lovelace"),
    ("Ada Lovelaec", "Ada Lovelace"),
    ("Macdonald-Paterson, Thomas", "Thomas Macdonald-Paterson"),
    ("Thomas Macdonald-Paterson", "Macdonald-Paterson, Thomas"),
    ("Lovelace Ada", "Ada Lovelace"),
    ("J. R. R. Tolkien", "John Ronald Reuel Tolkien"),
    ("J.R.R. Tolkien", "John Ronald Reuel Tolkien"),
    ("John F. Kennedy", "John Fitzgerald Kennedy"),
    ("John Kennedy", "John F. Kennedy"),
    ("Arsenal FC", "Arsenal F.C."),
    ("McDonald Observatory", "Mc Donald Observatory"),
    ("Mercury", "Mercury (planet)"),
    ("A Midsummer Dream", "Midsummer Dream"),
    ("Mississipi River", "Mississippi River"),
    ("Sir Henry Drummond-Wolff", "Henry Drummond Wolff"),
    ("Boniface IX", "Pope Boniface IX"),
    ("William Cuthbert Faulkner", "William Faulkner"),
    ("Pride & Prejudice", "Pride and Prejudice"),
    ("Montreal Light, Heat & Power Company", "Montreal Light, Heat & Power"),
]
OTHERS = [
    ("Apollo 12", "Apollo 11"),
    ("Louis XVI", "Louis XIV"),
    ("World War 2", "World War 1"),
    ("John Smith", "Joan Smith"),
    ("Mary Shelley", "Gary Shelley"),
    ("Maria Lopez", "Mario Lopez"),
    ("Christina Müller", "Christine Müller"),
    ("Daniel Craig", "Danielle Craig"),
    ("Alexander Frey", "Alexandra Frey"),
    ("National League", "National Football League"),
    ("North Texas University", "Texas University"),
    ("John Smith (politician)", "John Smith"),
    ("Mercury (element)", "Mercury (planet)"),
    ("Makassarese people", "M People"),
    ("Gwazi", "Gazi"),
    ("Paris", "Parks"),
    ("Ada", "Ada Lovelace"),
    ("H2O", "H2S"),
    ("", "x"),
]


@pytest.mark.parametrize(("query", "name"), SAME)
def test_spellings_of_one_name(query, name):
    assert name_score(query, name, lambda _: 0) >= fitted().threshold


@pytest.mark.parametrize(("query", "name"), OTHERS)
def test_names_of_others(query, name):
    assert name_score(query, name, lambda _: 0) < fitted().threshold
    assert name_score(query, name, lambda _: 100) < fitted().threshold


@pytest.mark.parametrize(("query", "name"), OTHERS)
def test_somebody_elses_fact_is_not_returned(kb, query, name):
    kb.add([Fact(name, "Spouse", "secret")])
    assert kb.lookup(query, "Spouse") is None


@pytest.mark.parametrize(("query", "name"), SAME)
def test_the_index_finds_the_spellings_of_a_name(kb, query, name):
    kb.add([Fact(name, "Spouse", "v"), Fact("Somebody Else", "Spouse", "w")])
    assert kb.lookup(query, "Spouse").fact.entity == name
    assert kb.candidates(query)[0].name == name


@pytest.mark.parametrize(
    ("query", "name", "how"),
    [
        ("ANTONIN DVORAK", "Antonín Dvořák", "normalised"),
        ("Antonín_Dvořák", "Antonín Dvořák", "normalised"),
        ("Beatles", "The Beatles", "normalised"),
        ("The Rio de Janeiro", "Rio de Janeiro", "normalised"),
        ("thomas macdonald paterson", "Thomas Macdonald-Paterson", "normalised"),
        ("Antonin_Dvorrak", "Antonín Dvořák", "fuzzy"),
        ("Dvořák, Antonín", "Antonín Dvořák", "fuzzy"),
        ("Dvorak, Antonin", "Antonín Dvořák", "fuzzy"),
        ("Paterson, Thomas Macdonald", "Thomas Macdonald-Paterson", "fuzzy"),
        ("Antonín Leopold Dvořák", "Antonín Dvořák", "fuzzy"),
        ("Antonín Dvořák", "Antonín Leopold Dvořák", "fuzzy"),
        ("A. Leopold Dvořák", "Antonín Leopold Dvořák", "fuzzy"),
        ("Saturn", "Saturn (planet)", "fuzzy"),
        ("saturn_(planet)", "Saturn (planet)", "normalised"),
    ],
)
def test_by_which_stage_a_spelling_is_found(kb, query, name, how):
    kb.add([Fact(name, "Known For", "v"), Fact("Antonio Vivaldi", "Known For", "w"), Fact("Thomas Mann", "R", "w")])
    match = kb.lookup(query, "Known For")
    assert (match.fact.entity, match.how) == (name, f"{how} entity, exact relation")
    assert 0.5 <= match.score < 1


@pytest.mark.parametrize(
    ("query", "one", "other"),
    [
        ("J. Smithson", "James Smithson", "Joseph Smithson"),
        ("Mercury", "Mercury (planet)", "Mercury (element)"),
        ("Thomas Paterson", "Thomas Edward Paterson", "Thomas Edwin Paterson"),
        ("Jon Smithsen", "Jon Smithson", "Jon Smithsan"),
    ],
)
def test_names_that_two_others_may_mean_are_left_alone(kb, query, one, other):
    kb.add([Fact(one, "Job", "v"), Fact(other, "Job", "w")])
    assert kb.lookup(query, "Job") is None
    resolved = kb.resolve(query)
    assert resolved.why == "several that cannot be told apart"
    assert {candidate.name for candidate in resolved.candidates[:2]} == {one, other}


def test_two_equally_near_are_not_told_apart(kb):
    kb.add([Fact("John Fitzgerald Kennedy", "Job", "president"), Fact("John Francis Kennedy", "Job", "baker")])
    assert kb.lookup("John F. Kennedy", "Job") is None
    assert kb.resolve("John F. Kennedy").why == "several that cannot be told apart"


def test_case_alone_decides_between_two_that_are_otherwise_equal(kb):
    kb.add([Fact("Beyoncé", "Job", "singer"), Fact("Beyonce", "Job", "ship")])
    assert kb.lookup("BEYONCÉ", "Job").fact.value == "singer"
    assert kb.lookup("Beyonce", "Job").fact.value == "ship"
    assert kb.lookup("Béyonce", "Job") is None


@pytest.mark.parametrize(
    ("query", "meant", "other"),
    [
        ("The_Miracle", "The Miracle", "Miracle"),
        ("St_Matthew's_Church", "St Matthew's Church", "St. Matthew's Church"),
        ("The Unforgivn", "The Unforgiven", "Unforgiven"),
        ("Unforgivn", "Unforgiven", "The Unforgiven"),
        ("Kick-Ays", "Kick-Ass", "Kick Ass"),
    ],
)
def test_of_two_equal_but_for_how_they_are_written_the_one_written_so(kb, query, meant, other):
    kb.add([Fact(meant, "Job", "v"), Fact(other, "Job", "w")])
    assert kb.lookup(query, "Job").fact.entity == meant


@pytest.mark.parametrize("query", ["FRENCH TOAST", "french toast", "french toasst"])
def test_a_name_in_one_case_does_not_tell_case_apart(kb, query):
    kb.add([Fact("French Toast", "Job", "v"), Fact("French toast", "Job", "w")])
    assert kb.lookup(query, "Job") is None
    assert kb.resolve(query).why == "several that cannot be told apart"


def test_common_words_do_not_hide_a_name(kb, monkeypatch):
    monkeypatch.setattr("lamlam.kb.name_tables.MOST_POSTINGS", 20)
    kb.add(Fact(f"John Number{n}", "R", str(n)) for n in range(50))
    kb.add(Fact(f"Person{n} Smithson", "R", str(n)) for n in range(50))
    kb.add([Fact("John Smithson", "R", "he")])
    assert kb.lookup("John Smithsonn", "R").fact.value == "he"
    assert kb.lookup("Smithson, John", "R").fact.value == "he"


@pytest.mark.parametrize(
    ("query", "relation"),
    [("date of birth", "Birth Date"), ("spouses", "Spouse"), ("educated", "Educated At"), ("Ocupation", "Occupation")],
)
def test_names_of_one_relation(query, relation):
    assert relation_score(query, relation) >= THRESHOLD


@pytest.mark.parametrize(
    ("query", "relation"),
    [
        ("Death Date", "Birth Date"),
        ("Birth Place", "Birth Date"),
        ("capital of", "capital"),
        ("influenced by", "influenced"),
        ("Mother", "Father"),
        ("participant", "participant in"),
        ("Spouse", "Source"),
        ("start time", "end time"),
    ],
)
def test_names_of_other_relations(query, relation):
    assert relation_score(query, relation) < THRESHOLD
    assert not synonymous(query, relation)


@pytest.mark.parametrize(
    ("query", "relation"),
    [("university", "Educated At"), ("elements", "Components"), ("Born", "Birth Date"), ("wife", "spouse")],
)
def test_synonyms(kb, query, relation):
    assert synonymous(query, relation)
    kb.add([Fact("Ada", relation, "v"), Fact("Ada", "Something Else", "w")])
    match = kb.lookup("Ada", query)
    assert (match.fact.value, match.how) == ("v", "exact entity, synonym relation")


def test_two_relations_with_one_synonym_are_not_told_apart(kb):
    kb.add([Fact("Ada", "Birth Date", "v"), Fact("Ada", "Date Of Birth", "w")])
    assert kb.lookup("Ada", "born") is None
    assert kb.resolve("Ada", "born").why == "several that cannot be told apart"
    assert kb.lookup("Ada", "Birth Date").fact.value == "v"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Beyoncé", "beyonce"),
        ("The Beatles", "Beatles"),
        ("Arsenal_F.C.", "Arsenal F.C."),
        ("Destiny’s Child", "Destiny's Child"),
        ("Łódź", "Lodz"),
        ("ｆｕｌｌ", "full"),
        ("Straße", "STRASSE"),
        ("e\u0301", "é"),
    ],
)
def test_one_normal_form(one, other):
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"), [("C++", "C"), ("C#", "C"), ("!!!", "???"), ("が", "か"), ("की", "का"), ("A", "the")]
)
def test_different_normal_forms(one, other):
    assert normalise(one) != normalise(other)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_normalising_twice_is_normalising_once(name):
    assert normalise(normalise(name)) == normalise(name)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_visible_name_has_a_normal_form(name):
    assert bool(normalise(name)) == bool(name.strip())


@given(st.text("abc", min_size=1, max_size=8), st.data())
def test_words_within_an_edit_share_a_key(word, data):
    at = data.draw(st.integers(0, len(word) - 1))
    edited = data.draw(
        st.sampled_from([word[:at] + word[at + 1 :], word[:at] + "x" + word[at:], word[:at] + "x" + word[at + 1 :]])
    )
    assert deletions(word, 1) & deletions(edited, 1)


@given(st.sampled_from(SAME))
def test_what_the_fuzzy_stage_takes_for_a_name_shares_a_spelling_with_it(pair):
    query, name = pair
    if "(" not in name and "A " not in query:
        assert spellings(normalise(query)) & spellings(normalise(name))
