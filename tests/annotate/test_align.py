from __future__ import annotations

import gzip
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamlam.annotate import Aligner
from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase
from lamlam.text import Call, Document, Lookup, parse, render
from tests.kb.postgres_server import running

ADA = [
    Fact("Ada Lovelace", "Birth Year", "1815"),
    Fact("Ada Lovelace", "Birth Place", "London"),
    Fact("Ada Lovelace", "Employer", "University of London"),
    Fact("Ada Lovelace", "Family Name", "Lovelace"),
    Fact("Ada Lovelace", "Residence", "London"),
]

names = st.sampled_from(["Ada", "Ada L", "1", "15", "1815", "é", "e", "\u0301", "[dblookup(", "<|db_end|>", "a b", " "])
texts = st.lists(names | st.sampled_from([" ", "\n", ".", "x"]), max_size=14).map("".join)


def align(text: str, facts: list[Fact] = ADA, **meta: object) -> str:
    (document,) = Aligner(facts).annotate([Document("d", text, (), meta)])
    assert (document.id, document.text, document.meta) == ("d", text, meta)
    return render(document)


@pytest.mark.parametrize(
    "expected",
    [
        "Ada Lovelace ([Birth Year]1815) and 1815",
        # whole words only, on any line
        "Ada Lovelace 18151 1815a.\nIn [Birth Year]1815.",
        # said before the subject is known: the reader has it already
        "In 1815, Ada Lovelace. 1815",
        # the longest of overlapping mentions; the value within the name is none
        "Ada Lovelace, Lovelace, [Employer]University of London",
        # the first of two relations
        "Ada Lovelace: [Birth Place]London",
        "",
        "Nobody, 1815",
    ],
)
def test_calls_stand_before_the_first_mention(expected):
    values = {fact.relation: fact.value for fact in ADA}
    written = re.sub(
        r"\[(.*?)\]", lambda call: f"[dblookup('Ada Lovelace', '{call[1]}') -> {values[call[1]]}] ", expected
    )
    assert align(re.sub(r"\[.*?\]", "", expected), title="Ada Lovelace") == written


def test_an_untitled_text_is_about_the_longest_name_it_starts_with():
    facts = [Fact("Ada", "Born", "1815"), Fact("Ada Love", "Born", "1816"), *ADA]
    assert "('Ada Lovelace', 'Birth Year')" in align("Ada Lovelace, 1815", facts)
    assert "('Ada Love', 'Born')" in align("Ada Love, 1816", facts)
    assert "('Ada', 'Born')" in align("Ada Lovely, 1815", facts)
    assert "[dblookup" not in align("Adam, 1815", facts)
    assert "[dblookup" not in align("Ada Lovelace, 1815", facts, title="Another Ada")


def test_a_title_in_parentheses_is_said_without_them():
    facts = [Fact("Mercury (planet)", "Moons", "none")]
    assert align("Mercury has none", facts, title="Mercury (planet)") == (
        "Mercury has [dblookup('Mercury (planet)', 'Moons') -> none] none"
    )


def test_calls_that_were_there_stay():
    before = parse("Ada Lovelace of [dblookup('X', 'Y') -> University] University of London, 1815", id="d")
    (document,) = Aligner(ADA).annotate([before])
    assert [call.lookup.value for call in document.calls] == ["University", "London", "1815"]
    assert document.calls[0] == before.calls[0]
    assert list(Aligner(ADA).annotate([document])) == [document]


def slow_mention(text: str, value: str) -> int:
    """The obvious search: try every place; a word goes on where a letter, digit or mark meets one."""
    word = re.compile(r"[^\W_]|[\u0300-\u036f]")
    for at in range(len(text)):
        end = at + len(value)
        inside = (at and word.match(text[at - 1]) and word.match(text[at])) or (
            end < len(text) and word.match(text[end - 1]) and word.match(text[end])
        )
        if text.startswith(value, at) and not inside:
            return at
    return -1


def part_of_more(text: str, value: str) -> bool:
    """ "University" is no value in "University College", nor "Colombia" in "at Sony Music Colombia"."""
    at = slow_mention(text, value)
    named = value[0].isupper()
    after, before = re.match(r" [A-Z]\w", text[at + len(value) :]), re.search(r"[a-z,] (?:[A-Z][\w'’-]+ )+$", text[:at])
    return named and bool(after or before)


@given(texts, st.lists(st.builds(Fact, names, st.just("Birth"), names), max_size=8), st.none() | names)
def test_every_call_is_the_first_mention_of_a_fact_after_its_subject(text, facts, title):
    (document,) = Aligner(facts).annotate([Document("d", text, (), {} if title is None else {"title": title})])
    assert document.text == text
    entities = {call.lookup.entity for call in document.calls}
    assert len(entities) <= 1
    end = 0
    for call in document.calls:
        entity, relation, value = call.lookup
        assert (entity, relation, value) in [fact[:3] for fact in facts]
        assert entity == title or (title is None and text.startswith(entity))
        assert call.span == (call.at, call.at + len(value))
        assert call.at == slow_mention(text, value) >= slow_mention(text, entity) + len(entity)
        assert call.at >= end
        end = call.at + len(value)
    # Nothing is missed: the longest value that may be called is.
    if entities or title is not None:
        subject = entities.pop() if entities else title
        known = slow_mention(text, subject)
        may = [
            (-len(fact.value), slow_mention(text, fact.value), fact.value)
            for fact in facts
            if fact.entity == subject and fact.value.strip() and fact.entity.strip()
            if known >= 0 and slow_mention(text, fact.value) >= known + len(subject)
            if fact.value.casefold() not in subject.casefold()
            if not part_of_more(text, fact.value)
        ]
        if may:
            assert min(may)[2] in [call.lookup.value for call in document.calls]


@pytest.mark.parametrize("header", ["entity,relation,value", "subject,relation,object"])
def test_a_table_and_a_base_hold_the_same_facts(tmp_path, header):
    (tmp_path / "facts.csv").write_text(f"{header}\nAda,Born,1815\n")
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as kb:
        kb.add([Fact("Ada", "Born", "1815")])
    for name in ("facts.csv", "facts.db"):
        (document,) = Aligner.from_file(tmp_path / name).annotate([Document("d", "Ada, 1815")])
        assert document.calls == (Call(5, Lookup("Ada", "Born", "1815"), (5, 9)),)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("facts.csv", "entity,relation\nAda,Born\n", "has no column value"),
        ("facts.csv", "entity,relation,value\n", "no facts in it"),
        ("facts.parquet", "no Parquet", "cannot be read as Parquet"),
        ("facts.db", "no base at all", "facts.db"),
        ("missing.db", None, "missing.db: no such file"),
    ],
)
def test_a_file_without_facts_is_one_clear_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(LamlamError, match=re.escape(message)) as caught:
        Aligner.from_file(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_dump_of_wikidata_is_a_table_with_aliases(tmp_path):
    def item(id, label, claims=(), aliases=()):
        statements = {
            property: [{"mainsnak": {"snaktype": "value", "datavalue": {"value": value}}, "rank": "normal"}]
            for property, value in claims
        }
        names = {"en": [{"value": alias} for alias in aliases]}
        return {"id": id, "labels": {"en": {"value": label}}, "aliases": names, "sitelinks": {}, "claims": statements}

    born = ("P569", {"time": "+1815-12-10T00:00:00Z", "precision": 11})
    listed = [
        item("Q1", "Ada Lovelace", [born], ["Countess of Lovelace", "Ada"]),
        item("Q2", "Ada Yonath", [("P19", {"id": "Q3"})], ["Ada"]),
        item("Q3", "Jerusalem"),
        item("P569", "date of birth"),
        item("P19", "place of birth"),
    ]
    dump = tmp_path / "dump.json.gz"
    dump.write_bytes(gzip.compress(("[\n" + ",\n".join(map(json.dumps, listed)) + "\n]\n").encode()))
    aligner = Aligner.from_file(dump)

    def aligned(text, title):
        (document,) = aligner.annotate([Document("d", text, (), {"title": title})])
        return render(document)

    assert aligned("The Countess of Lovelace was born on December 10, 1815.", "Countess of Lovelace") == (
        "The Countess of Lovelace was born on "
        "[dblookup('Ada Lovelace', 'date of birth') -> December 10, 1815] December 10, 1815."
    )
    text = "Ada was born in Jerusalem on 10 December 1815."
    assert aligned(text, "Ada") == text  # what two are called means neither
    assert "[dblookup('Ada Yonath', 'place of birth') -> Jerusalem]" in aligned(text, "Ada Yonath")


def test_facts_come_from_a_shared_base_too():
    with running() as server, server.lent() as url:
        with KnowledgeBase.open(url, create=True) as kb:
            kb.add(ADA)
        (document,) = Aligner.from_files([url]).annotate([Document("d", "Ada Lovelace, 1815", (), {})])
        assert [call.lookup for call in document.calls] == [("Ada Lovelace", "Birth Year", "1815")]


@pytest.mark.parametrize("url", ["postgresql://me:secret@127.0.0.1:1/none", "mysql://me:secret@host/base"])
def test_a_base_that_cannot_be_opened_is_one_line_without_its_password(url):
    with pytest.raises(LamlamError) as caught:
        Aligner.from_files([url])
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
