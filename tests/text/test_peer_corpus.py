from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings

from lamlam.errors import LamlamError, MalformedCall
from lamlam.text import Document, Lookup, parse, render
from lamlam.text.files import read_documents, write_documents
from lamlam.text.peer import (
    MANY_ARGUMENTS,
    NO_ARROW,
    NO_QUOTES,
    NOT_CLOSED,
    ONE_ARGUMENT,
    UNBALANCED,
    PeerReport,
    parse_peer,
)
from lamlam.text.written import OPEN
from tests.text.hostile_documents import documents, strings


@pytest.mark.parametrize(
    ("call", "lookup"),
    [
        ("[dblookup('E', 'R') -> V]", ("E", "R", "V")),
        ("[dblookup('O'Brien', 'R') -> V]", ("O'Brien", "R", "V")),
        ("[dblookup('Pig 'n Whistle', 'Left Pig 'n Whistle') -> V]", ("Pig 'n Whistle", "Left Pig 'n Whistle", "V")),
        ("[dblookup('Critics' Choice', 'R') -> V]", ("Critics' Choice", "R", "V")),
        (r"[dblookup('Destiny\'s Child', 'R') -> V]", ("Destiny's Child", "R", "V")),
        (r"[dblookup('Shane O\'Rourke', 'R') -> Colm O\'Rourke]", ("Shane O'Rourke", "R", "Colm O'Rourke")),
        ('[dblookup("E", "R") -> V]', ("E", "R", "V")),
        ('[dblookup("E\'s", "R \\"x\\"") -> V]', ("E's", 'R "x"', "V")),
        ("[dblookup(\"E's\", 'R') -> V]", ("E's", "R", "V")),
        ("[dblookup('E','R')->V]", ("E", "R", "V")),
        ("[dblookup( 'E' ,  'R' )  ->  V ]", ("E", "R", "V")),
        ("[dblookup('E', 'R') -> [disputed] 1969]", ("E", "R", "[disputed] 1969")),
        ("[dblookup('E', 'R') -> fricative [ɣ]]", ("E", "R", "fricative [ɣ]")),
        ("[dblookup('E', 'R') -> R1a [M17], I2a2a [L69.2=T/S2]]", ("E", "R", "R1a [M17], I2a2a [L69.2=T/S2]")),
        ("[dblookup('E', 'R')] -> near the equator]", ("E", "R", "near the equator")),
        ("[dblookup('E (x)', 'R') -> V (y)]", ("E (x)", "R", "V (y)")),
        (r"[dblookup('E', 'R') -> a \] b]", ("E", "R", "a ] b")),
        ("[dblookup('E', 'R') -> ]", ("E", "R", "")),
    ],
)  # fmt: skip
def test_what_annotators_write_is_read(call, lookup):
    for before, after in [
        ("", ""),
        ("in ", " V, and"),
        ("in ", ", and"),
        ("(", ") b"),
        ("a\n", "\nb"),
        ("[c]arved ", " [d]"),
    ]:
        document, rejected = parse_peer(before + call + after, "d")
        assert rejected == []
        assert [(one.at, one.lookup) for one in document.calls] == [(len(before), Lookup(*lookup))]
        assert document.text == before + after.removeprefix(" ")


def test_several_calls_in_a_row():
    document, rejected = parse_peer(
        "is [dblookup('O'E', 'R') -> V] [dblookup('E', 'R')] -> W][dblookup('E', 'R') -> X] V"
    )
    assert not rejected
    assert document.text == "is V"
    assert [call.lookup.value for call in document.calls] == ["V", "W", "X"]
    assert [call.at for call in document.calls] == [3, 3, 3]


@pytest.mark.parametrize(
    ("annotated", "text", "reason"),
    [
        ("a [dblookup('Only') -> V] V", "a V", ONE_ARGUMENT),
        ("a [dblookup('A', 'B', 'C') -> V] V", "a V", MANY_ARGUMENTS),
        ("a [dblookup(E, R) -> V] V", "a V", NO_QUOTES),
        ("a [dblookup('E', R) -> V] V", "a V", NO_QUOTES),
        ("a [dblookup() -> V] V", "a V", NO_QUOTES),
        ("a [dblookup('E', 'R')] V", "a V", NO_ARROW),
        ("a [dblookup('E', 'R' -> V] V", "a V", NO_ARROW),
        ("a [dblookup('E', 'R') -> V V, cut off", "a ", NOT_CLOSED),
        ("a [dblookup('E', 'R') -> V\nnext [dblookup('E's', 'R') -> V] V", "a \nnext V", NOT_CLOSED),
        ("a [dblookup('E', 'R') -> [0, 1)] V\nnext", "a \nnext", UNBALANCED),
        ("a [dblookup('E', 'R", "a ", NO_ARROW),
        ("a [dblookup(", "a ", NO_ARROW),
    ],
)
def test_what_cannot_be_read_is_cut_out_and_counted(annotated, text, reason):
    document, rejected = parse_peer(annotated)
    assert [(one.reason, one.offset) for one in rejected] == [(reason, 2)]
    assert annotated[2:].startswith(rejected[0].excerpt)
    assert document.text == text


def openings_within(lookup: Lookup) -> int:
    return sum(part.count(OPEN) for part in lookup)


@settings(max_examples=500)
@given(strings)
@example("[dblookup('a', 'b') -> c")
@example("[[dblookup('a', 'b') -> c]dblookup(")
def test_any_string_is_read_and_every_opening_accounted_for(annotated):
    document, rejected = parse_peer(annotated)
    within = sum(openings_within(call.lookup) for call in document.calls)
    assert len(document.calls) + len(rejected) + within == annotated.count(OPEN)
    for rejection in rejected:
        assert annotated.startswith(OPEN, rejection.offset)
    # What is left is a document like any other.
    assert parse(render(document)) == document


@settings(max_examples=500)
@given(documents())
def test_written_form_means_the_same_to_both_parsers(document):
    assert parse_peer(render(document), document.id) == (document, [])


@given(strings)
def test_where_written_form_can_be_parsed_both_parsers_agree(string):
    try:
        document = parse(string)
    except MalformedCall:
        return
    assert parse_peer(string) == (document, [])


def test_hostile_lengths_take_no_time():
    for piece in ("[dblookup('", ") ", "'" + " " * 50, "\\", "[", "[dblookup('a', 'b') -> ", "] ->", " " * 50 + ")"):
        annotated = "[dblookup('" + piece * 4000
        parse_peer(annotated)


def corpus(*examples: dict, **more: object) -> str:
    return json.dumps({"examples": examples, "metadata": {}, **more})


EXAMPLE = {
    "annotated_text": "Ada, [dblookup('Ada', 'Born') -> 1815] 1815.",
    "text": "Ada, 1815.",
    "model_id": "m",
    "prompt_id": "p",
    "original_dataset": "wiki",
    "original_dataset_ids": ["17", "18"],
    "processing_timestamp": "2025-03-20T22:17:19",
}


def test_a_corpus_is_read_with_all_its_fields(tmp_path):
    path = tmp_path / "peer.json"
    rejected = {**EXAMPLE, "annotated_text": "assistant Ada [dblookup('Ada') -> x].", "original_dataset_ids": "17"}
    path.write_text(corpus(EXAMPLE, rejected, {"annotated_text": "x", "score": 2}))
    report = PeerReport()
    first, second, third = read_documents(path, report)
    assert [first.id, second.id, third.id] == ["wiki/17", "wiki/17#2", "peer/3"]
    assert first.text == "Ada, 1815."
    assert first.calls[0].span == (5, 9)
    names = ("model_id", "prompt_id", "original_dataset", "original_dataset_ids", "processing_timestamp")
    assert first.meta == {name: EXAMPLE[name] for name in names}
    assert second.meta["source_text"] == "Ada, 1815."
    assert second.meta["original_dataset_ids"] == "17"
    assert third.meta == {"score": 2}
    assert (report.documents, report.calls, report.parsed, report.rejected) == (3, 2, 1, {ONE_ARGUMENT: 1})
    assert (report.equal_to_source, report.verbatim_values) == (1, 1)


def test_a_corpus_is_written_in_the_peers_layout(tmp_path):
    path, again = tmp_path / "in.json", tmp_path / "out.json"
    path.write_text(corpus(EXAMPLE))
    write_documents(read_documents(path), again)
    written = json.loads(again.read_text())
    assert written["examples"] == [{"id": "wiki/17", **EXAMPLE}]
    assert written["metadata"] == {
        "last_modified": EXAMPLE["processing_timestamp"],
        "source_datasets": ["wiki"],
        "models_used": ["m"],
        "prompts_used": ["p"],
    }


@settings(max_examples=100)
@given(documents())
def test_any_document_passes_through_the_peers_layout(tmp_path_factory, document):
    folder = tmp_path_factory.mktemp("peer")
    with_meta = Document(document.id, document.text, document.calls, {"title": "t", "meta": {"id": 1}, "text": "x"})
    write_documents([document, with_meta], folder / "a.json")
    again = list(read_documents(folder / "a.json"))
    assert again == [document, with_meta]
    write_documents(again, folder / "b.json")
    assert (folder / "a.json").read_bytes() == (folder / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "file is empty"),
        (b'{"examples": [{"annotated_text": "a"},\n {"annot', "line 2, column 3: Unterminated string"),
        (b"\xff", "not UTF-8 (byte 0)"),
        (b"[1]", "not a corpus"),
        (b'{"examples": 3}', "not a corpus"),
        (b'{"examples": [], "triplets": []}', "a base of facts"),
        (b'{"examples": ["a"]}', "example 1: no string 'annotated_text'"),
        (b'{"examples": [{"annotated_text": "a"}, {"text": "a"}]}', "example 2: no string 'annotated_text'"),
        (b'{"examples": [{"annotated_text": "a", "text": 3}]}', "example 1"),
        (b"[" * 200_000, "JSON that cannot be read"),
    ],
)
def test_what_is_not_a_corpus_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "peer.json"
    path.write_bytes(content)
    with pytest.raises(LamlamError) as error:
        list(read_documents(path))
    assert str(path) in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
