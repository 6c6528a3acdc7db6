"""Aliases and synonyms as data: who gave them and when, their past, rollback, forgetting, files."""

import csv

import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact
from lamlam.kb.name_files import add_from, write_names


@pytest.fixture
def schools(kb):
    kb.add(
        [
            Fact("Ada Lovelace", "Taught By", "Mary Somerville"),
            Fact("Ada Lovelace", "Educated At", "at home"),
            Fact("Alan Turing", "educated at", "King's College"),
            Fact("Alan Turing", "Place Of Birth", "London"),
        ]
    )
    return kb


def found(kb, entity, relation):
    match = kb.lookup(entity, relation)
    return match and (match.fact.relation, match.how.split(", ")[1])


def test_a_synonym_leads_to_the_relation_however_the_base_writes_it(schools):
    assert found(schools, "Alan Turing", "Stamping Ground") is None
    assert schools.add_synonym("stamping ground", "EDUCATED AT")
    assert not schools.add_synonym("Stamping_Ground", "Educated At")
    assert found(schools, "Alan Turing", "Stamping Ground") == ("educated at", "synonym relation")
    assert found(schools, "Ada Lovelace", "stamping ground") == ("Educated At", "synonym relation")
    assert schools.synonyms("educated_at") == ["stamping ground"]
    assert schools.synonyms("nothing like it") == schools.synonyms("\0") == []
    assert schools.check() == []


def test_a_synonym_of_the_base_comes_before_those_of_the_package(schools):
    assert found(schools, "Ada Lovelace", "university") == ("Educated At", "synonym relation")
    schools.add_synonym("university", "Taught By")
    assert found(schools, "Ada Lovelace", "university") == ("Taught By", "synonym relation")
    assert found(schools, "Alan Turing", "university") == ("educated at", "synonym relation")


def test_a_synonym_of_two_relations_of_an_entity_means_neither(schools):
    schools.add_synonyms([("learning", "Taught By"), ("learning", "Educated At")])
    assert schools.lookup("Ada Lovelace", "learning") is None
    told = schools.resolve("Ada Lovelace", "learning")
    assert told.why == "several that cannot be told apart"
    assert {one.name for one in told.candidates} == {"Taught By", "Educated At"}
    assert found(schools, "Alan Turing", "learning") == ("educated at", "synonym relation")


def test_what_is_not_there_gets_no_other_name(schools):
    with pytest.raises(LamlamError, match="no relation 'Shoe Size' in the base; its most frequent are"):
        schools.add_synonym("size", "Shoe Size")
    with pytest.raises(LamlamError, match="no entity 'Nobody'"):
        schools.add_aliases([("Ada", "Ada Lovelace"), ("x", "Nobody")])
    with pytest.raises(LamlamError, match="the synonym of a fact is empty"):
        schools.add_synonym(" ", "Educated At")
    assert schools.other_names("aliases") == schools.other_names("synonyms") == []


def test_each_name_tells_who_gave_it_and_why(schools):
    schools.add_alias("Countess of Lovelace", "Ada Lovelace", "me", "her title")
    schools.add_synonym("school", "Educated At", "you", "asked so")
    [alias], [synonym] = schools.other_names("aliases"), schools.other_names("synonyms")
    assert (alias.name, alias.of, alias.author, alias.reason) == (
        "Countess of Lovelace",
        "Ada Lovelace",
        "me",
        "her title",
    )
    assert (synonym.name, synonym.of, synonym.author, synonym.reason) == ("school", "Educated At", "you", "asked so")
    assert alias.time <= synonym.time
    assert alias.ended is synonym.ended is None


def test_a_name_that_was_taken_back_stays_in_the_history(schools):
    schools.add_alias("The Countess", "Ada Lovelace")
    schools.add_synonym("stamping ground", "Educated At")
    schools.snapshot("with both")
    assert schools.remove_alias("the countess", "Ada Lovelace")
    assert schools.remove_synonym("Stamping Ground", "Educated At", reason="too vague")
    assert not schools.remove_synonym("Stamping Ground", "Educated At")
    assert schools.lookup("The Countess", "Educated At") is None
    assert found(schools, "Ada Lovelace", "stamping ground") is None
    assert schools.synonyms("Educated At") == schools.aliases("Ada Lovelace") == []
    for kind in ("aliases", "synonyms"):
        assert schools.other_names(kind) == []
        [past] = schools.other_names(kind, past=True)
        assert past.ended is not None
        assert past.ended >= past.time
    assert found(schools.as_of("with both"), "The Countess", "stamping ground") == ("Educated At", "synonym relation")
    assert schools.as_of("with both").other_names("synonyms")[0].ended is None
    assert schools.rollback("with both") == 2
    assert found(schools, "The Countess", "stamping ground") == ("Educated At", "synonym relation")
    assert len(schools.other_names("synonyms", past=True)) == 2
    assert schools.check() == []


def test_rolling_back_takes_younger_synonyms_back(schools):
    schools.snapshot("without")
    schools.add_synonym("stamping ground", "Educated At")
    assert schools.rollback("without") == 1
    assert found(schools, "Ada Lovelace", "stamping ground") is None


def test_the_synonyms_of_a_relation_go_with_its_last_fact(schools):
    schools.add_synonym("mentor-4711", "Taught By", reason="who else")
    schools.forget("Ada Lovelace", "Taught By")
    assert schools.other_names("synonyms", past=True) == []
    assert schools.stats()["synonyms"] == 0
    assert schools.check() == []


def test_a_forgotten_fact_is_not_replaced_by_what_its_relation_is_called(schools):
    schools.add_synonym("taught by", "Educated At")
    schools.forget("Ada Lovelace", "Taught By")
    assert schools.lookup("Ada Lovelace", "Taught By") is None


def test_a_past_base_is_given_no_names(schools):
    schools.snapshot("s")
    then = schools.as_of("s")
    for write in (
        lambda: then.add_synonym("x", "Educated At"),
        lambda: then.remove_synonym("x", "Educated At"),
        lambda: then.remove_alias("x", "Ada Lovelace"),
    ):
        with pytest.raises(LamlamError, match="cannot be changed"):
            write()


def test_names_survive_a_file(tmp_path, schools):
    schools.add_alias('Countess, "the"', "Ada Lovelace", "me", "her title")
    schools.add_alias("Al", "Alan Turing")
    schools.remove_alias("Al", "Alan Turing")
    before = schools.other_names("aliases")
    write_names(schools.other_names("aliases", past=True), "aliases", tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["alias", "entity", "author", "reason", "time", "ended"]
    schools.remove_alias('Countess, "the"', "Ada Lovelace")
    assert add_from(schools, "aliases", tmp_path / "a.csv") == 1
    [after] = schools.other_names("aliases")
    assert (after.name, after.of, after.author, after.reason) == (before[0].name, before[0].of, "me", "her title")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,entity\nx,Ada Lovelace\n", "no columns alias and entity"),
        ("alias,entity\n,Ada Lovelace\n", "line 2: a cell is empty"),
        ("alias,entity\nx\n", "line 2: a cell is empty"),
        ('alias,entity\n"x\n', "not CSV in UTF-8"),
    ],
)
def test_files_that_are_none_of_names(tmp_path, schools, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(LamlamError, match=message):
        add_from(schools, "aliases", tmp_path / "a.csv")
