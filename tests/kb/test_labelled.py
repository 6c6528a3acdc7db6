"""N-Triples and Wikidata dumps: things are named by identifiers, and what those are called stands elsewhere."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase
from lamlam.kb.exchange import read_batches
from lamlam.kb.exchange.formats import Format, learned
from lamlam.kb.exchange.labels import Labels
from lamlam.kb.exchange.ntriples import _read
from lamlam.kb.exchange.rows import Skipped, facts_of
from lamlam.kb.importing import import_file

LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"
TRIPLES = rf"""# DBpedia and the like
<http://x.org/resource/Ada_Lovelace> <http://x.org/ontology/birthDate> "1815-12-10"^^<http://x.org/date> .
<http://x.org/resource/Ada_Lovelace> <http://x.org/ontology/spouse> <http://x.org/Q1> .
<http://x.org/Q1> {LABEL} "William \"the\" K\u00efng"@en .
<http://x.org/Q1> {LABEL} "Guillaume"@fr .
<http://x.org/Q1> <http://www.w3.org/2004/02/skos/core#altLabel> "Lord King"@en .
<http://x.org/resource/Caf%C3%A9> <http://x.org/motto> "a\tb\\"@en .  # a comment
<http://x.org/resource/Ada_Lovelace> <http://x.org/motto> "en français"@fr .
_:b0 <http://x.org/motto> "nobody's"@en .
this is no triple
<http://x.org/half> <http://x.org/motto> "half
"""


def read(path):
    skipped = Skipped()
    facts = [fact for batch in read_batches(path, skipped) for fact in facts_of(batch)]
    return facts, skipped.lines()


def test_n_triples(tmp_path):
    path = tmp_path / "facts.nt"
    path.write_text(TRIPLES)
    facts, lines = read(path)
    assert facts == [
        Fact("Ada Lovelace", "birth date", "1815-12-10"),
        Fact("Ada Lovelace", "spouse", 'William "the" Kïng'),
        Fact("Café", "motto", "a\tb\\"),
    ]
    assert lines == [
        "2 left out: no N-Triple (first: line 10)",
        "1 left out: a blank node, which has no name (first: line 9)",
        "1 left out: a text in another language than en (first: line 8)",
    ]


def test_aliases_of_n_triples_go_into_the_base(kb, path, tmp_path):
    (tmp_path / "facts.nt").write_text(TRIPLES + '<http://x.org/Q1> <http://x.org/motto> "Labor ipse voluptas" .\n')
    assert import_file(tmp_path / "facts.nt", path).aliases == 1
    assert kb.lookup("lord king", "motto").fact.entity == 'William "the" Kïng'


@settings(max_examples=200)
@given(st.text(st.characters(codec="utf-8")))
def test_any_text_of_a_triple_is_read_back(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    assert _read(f'<http://s> <http://p> "{escaped}"@en-GB .\n'.encode())[3:] == (text, "en-GB")


def item(id, label, claims=(), title=None, aliases=(), language="en"):
    statements = {}
    for property, snak, more in claims:
        statements.setdefault(property, []).append({"mainsnak": snak, "type": "statement", "rank": "normal", **more})
    return {
        "type": "item" if id[0] == "Q" else "property",
        "id": id,
        "labels": {language: {"language": language, "value": label}} if label else [],
        "aliases": {language: [{"language": language, "value": alias} for alias in aliases]} if aliases else [],
        "sitelinks": {f"{language}wiki": {"site": f"{language}wiki", "title": title}} if title else {},
        "claims": statements or [],
    }


def snak(value, kind="wikibase-item"):
    return {"snaktype": "value", "datatype": kind, "datavalue": {"value": value, "type": "?"}}


def time(time, precision):
    return snak({"time": time, "precision": precision}, "time")


def since(start, end=None):
    listed = {"P580": [time(start, 9)]} | ({"P582": [time(end, 11)]} if end else {})
    return {"qualifiers": listed}


UNIT = "http://www.wikidata.org/entity/Q11573"
DUMP = [
    item(
        "Q7259",
        "Ada Lovelace",
        [
            ("P569", time("+1815-12-10T00:00:00Z", 11), {}),
            ("P26", snak({"id": "Q1", "entity-type": "item"}), since("+1835-07-08T00:00:00Z", "+1852-11-27T00:00:00Z")),
            ("P106", snak({"id": "Q2"}), {"rank": "preferred"}),
            ("P106", snak({"numeric-id": 3}), {}),
            ("P106", snak({"id": "Q2"}), {"rank": "deprecated"}),
            ("P106", {"snaktype": "somevalue", "datatype": "wikibase-item"}, {}),
            ("P106", snak({"id": "Q404"}), {}),
            ("P999", snak({"id": "Q2"}), {}),
            ("P214", snak("12345", "external-id"), {}),
            ("P2048", snak({"amount": "+1.6", "unit": UNIT}, "quantity"), {}),
            ("P2048", snak({"amount": "+7", "unit": "1"}, "quantity"), {}),
            ("P1477", snak({"text": "Augusta Ada Byron", "language": "en"}, "monolingualtext"), {}),
        ],
        title="Ada Lovelace",
        aliases=["Countess of Lovelace"],
    ),
    item("Q1", "William King"),
    item("Q2", "mathematician"),
    item("Q3", "Mercury", title="Mercury (mythology)"),
    item("Q4", "Mercury", [("P569", time("-0043-03-15T00:00:00Z", 9), {})]),
    item("Q5", "Mercury", [("P569", time("+1950-00-00T00:00:00Z", 8), {})]),
    item("Q6", None, [("P569", time("+1950-00-00T00:00:00Z", 9), {})]),
    item("Q11573", "metre"),
    *(
        item(id, name)
        for id, name in [
            *(("P569", "date of birth"), ("P26", "spouse"), ("P106", "occupation"), ("P2048", "height")),
            *(("P1477", "birth name"), ("P214", "VIAF ID")),
        ]
    ),
]


def write_dump(path, entities=DUMP):
    lines = ",\n".join(json.dumps(entity) for entity in entities)
    path.write_text(f"[\n{lines}\n]\n")
    return path


def test_a_dump_of_wikidata(tmp_path):
    facts, lines = read(write_dump(tmp_path / "latest-all.json"))
    source = "wikidata:Q7259"
    assert facts == [
        Fact("Ada Lovelace", "occupation", "mathematician", source, rank=-1),
        Fact("Ada Lovelace", "occupation", "Mercury (mythology)", source),
        Fact("Ada Lovelace", "birth name", "Augusta Ada Byron", source),
        Fact("Ada Lovelace", "height", "1.6 metre", source),
        Fact("Ada Lovelace", "height", "7", source),
        Fact("Ada Lovelace", "spouse", "William King", source, valid_from="1835", valid_to="1852-11-27"),
        Fact("Ada Lovelace", "date of birth", "10 December 1815", source),
        Fact("Mercury (Q4)", "date of birth", "43 BC", "wikidata:Q4"),
        Fact("Mercury (Q5)", "date of birth", "1950s", "wikidata:Q5"),
    ]
    assert sorted(line.partition(": ")[2].partition(" (first")[0] for line in lines) == [
        "a deprecated statement",
        "a property without a label in en",
        "a value without a label in en",
        "an entity without a label in en",
        "an unknown value",
        "identifiers in other catalogues, files, places on a map",
    ]


def test_a_name_that_two_have_is_an_alias_of_both_and_means_neither(path, tmp_path):
    import_file(write_dump(tmp_path / "dump.json"), path)
    with KnowledgeBase.open(path) as kb:
        assert kb.lookup("Mercury", "date of birth") is None
        assert {one.name for one in kb.resolve("Mercury").candidates} == {"Mercury (Q4)", "Mercury (Q5)"}
        assert kb.lookup("countess of lovelace", "height").fact.entity == "Ada Lovelace"
        assert kb.check() == []


@settings(max_examples=25, deadline=None)
@given(st.permutations(DUMP))
def test_the_order_of_a_dump_does_not_matter(tmp_path_factory, entities):
    folder = tmp_path_factory.mktemp("dump")
    facts, _ = read(write_dump(folder / "dump.json", entities))
    expected, _ = read(write_dump(folder / "in-order.json"))
    assert sorted(facts, key=repr) == sorted(expected, key=repr)


def test_labels_that_were_cut_short_are_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr("lamlam.kb.exchange.labels._LINES", 3)
    path = write_dump(tmp_path / "dump.json")
    whole = learned(path, Format.WIKIDATA, Labels(tmp_path / "whole.db"), "en")
    for after in range(1, 15, 2):
        labels = Labels(tmp_path / f"{after}.db")
        count = iter(range(after))

        def lines(count=count, labels=labels):
            from lamlam.kb.exchange import wikidata

            for line in wikidata.learn(path, labels, "en"):
                if next(count, None) is None:
                    raise KeyboardInterrupt
                yield line

        with pytest.raises(KeyboardInterrupt):
            labels.learn(lines())
        labels.close()
        again = learned(path, Format.WIKIDATA, Labels(tmp_path / f"{after}.db"), "en")
        assert sorted(again.aliases()) == sorted(whole.aliases())
        assert [again.name(entity["id"]) for entity in DUMP] == [whole.name(entity["id"]) for entity in DUMP]
        again.close()
    whole.close()


@pytest.mark.parametrize(
    "line", ["{", "[1]", '{"id": 5}', '{"id": "Q9", "claims": 7}', '{"id": "Q9", "labels": {"en": 1}}']
)
def test_lines_that_are_no_entities_are_left_out(tmp_path, line):
    path = write_dump(tmp_path / "dump.json")
    path.write_text(path.read_text() + line + "\n")
    assert len(read(path)[0]) == 9
    assert any("no entity" in told or "without a label" in told for told in read(path)[1])


def test_a_file_of_nothing_but_bad_lines_is_an_error(tmp_path):
    (tmp_path / "a.nt").write_text("x\ny\n")
    with pytest.raises(LamlamError, match="not one fact could be read; 2 left out: no N-Triple"):
        read(tmp_path / "a.nt")
