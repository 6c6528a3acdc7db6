"""Written and token form: parsers that invert the renderings exactly, and refuse everything else."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings

from lamlam.errors import LamlamError, MalformedCall
from lamlam.text import Call, Document, Lookup, parse, render
from lamlam.text.written import render_call
from tests.text.hostile_documents import documents, strings

NAPOLEON = Document(
    "n", "born on August 15, 1769.", (Call(8, Lookup("Napoleon", "Birth Date", "August 15, 1769"), (8, 23)),)
)


def test_the_forms_look_as_documented():
    assert render(NAPOLEON) == "born on [dblookup('Napoleon', 'Birth Date') -> August 15, 1769] August 15, 1769."
    assert render(NAPOLEON, "tokens") == (
        "born on <|db_entity|> Napoleon<|db_relationship|> Birth Date<|db_return|> August 15, 1769<|db_end|> "
        "August 15, 1769."
    )
    assert render(NAPOLEON, "plain") == "born on August 15, 1769."


def test_what_would_be_read_as_something_else_is_escaped():
    assert render_call(Lookup("O'Brien", "a\\b", "[x] \\")) == r"[dblookup('O\'Brien', 'a\\b') -> \[x\] \\]"
    assert render(Document("", "[dblookup( [\\dblookup(")) == r"[\dblookup( [\\dblookup("
    assert render(Document("", "<|db_end|> <\\|db_end|>"), "tokens") == r"<\|db_end|> <\\|db_end|>"


@settings(max_examples=500)
@given(documents())
def test_parsing_inverts_written_form(document):
    assert parse(render(document, "written"), "written", id=document.id) == document


@settings(max_examples=500)
@given(documents())
def test_parsing_inverts_token_form(document):
    assert parse(render(document, "tokens"), "tokens", id=document.id) == document


@given(documents())
def test_plain_form_is_the_text(document):
    assert parse(render(document, "plain"), "plain", id=document.id) == Document(document.id, document.text)


@pytest.mark.parametrize("form", ["written", "tokens"])
@pytest.mark.parametrize("backslashes", range(5))
def test_lookalikes_with_any_number_of_backslashes(form, backslashes):
    escapes = "\\" * backslashes
    lookalikes = f"[{escapes}dblookup('A', 'B') -> C] <{escapes}|db_end|>"
    lookup = Lookup(lookalikes, lookalikes, lookalikes)
    for at in range(len(lookalikes) + 1):
        document = Document.with_lookups("d", lookalikes, [(at, lookup), (at, lookup)])
        assert parse(render(document, form), form, id="d") == document


@given(strings)
@example("[dblookup('a', 'b') -> c]d")
def test_strings_that_parse_are_rendered_as_they_were_up_to_the_space_after_a_call(string):
    for form in ("written", "tokens"):
        try:
            document = parse(string, form)
        except MalformedCall as error:
            malformed = error
        else:
            malformed = None
        if malformed:
            assert malformed.excerpt
            assert string.startswith(malformed.excerpt, malformed.offset)
            continue
        canonical = render(document, form)
        assert canonical.replace(" ", "").replace("\\", "") == string.replace(" ", "").replace("\\", "")
        assert render(parse(canonical, form), form) == canonical


@pytest.mark.parametrize(
    ("string", "offset", "reason"),
    [
        ("ab [dblookup('A', 'B')] c", 3, "no ' -> ' and value after the arguments"),
        ("[dblookup('A', 'B')] c [dblookup('A', 'B') -> C] C", 0, "no ' -> ' and value after the arguments"),
        ("[dblookup('A', 'B'", 0, "no ' -> ' and value after the arguments"),
        ("[dblookup('A', 'B' -> C] C", 0, "the arguments are not closed by ')' before ' -> '"),
        ("[dblookup('A', 'B') -> C", 0, "no ']' closes the call"),
        ("[dblookup('A', 'B') -> C\n]", None, None),
        ('[dblookup("A", "B") -> C] C', 0, "the arguments are not in single quotes"),
        ("[dblookup() -> C] C", 0, "the arguments are not in single quotes"),
        ("[dblookup('A') -> C] C", 0, "not exactly two arguments"),
        ("[dblookup('A', 'B', 'C') -> D] D", 0, "not exactly two arguments"),
        ("[dblookup('O'Brien', 'B') -> C] C", 0, "an unescaped quote inside an argument"),
        ("[dblookup('A', 'B') -> [x] C] C", 0, "an unescaped bracket or a stray backslash inside the call"),
        ("[dblookup('A', 'B') -> O\\'Neal] C", 0, "an unescaped bracket or a stray backslash inside the call"),
        ("[dblookup('A', 'B') -> C] [dblookup('A') -> C] C", 26, "not exactly two arguments"),
    ],
)
def test_malformed_written_calls(string, offset, reason):
    if reason is None:  # a value may hold a newline
        assert parse(string).calls[0].lookup.value == "C\n"
        return
    with pytest.raises(MalformedCall) as error:
        parse(string, source="file.jsonl, line 3")
    assert (error.value.offset, error.value.reason) == (offset, reason)
    assert f"file.jsonl, line 3, character {offset}: {reason}" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("string", "offset", "reason"),
    [
        ("a <|db_end|> b", 2, "<|db_end|> where <|db_entity|> has to come"),
        ("<|db_entity|> A<|db_return|> C", 15, "<|db_return|> where <|db_relationship|> has to come"),
        ("<|db_entity|> A<|db_entity|> C", 15, "<|db_entity|> where <|db_relationship|> has to come"),
        ("ab <|db_entity|> A<|db_relationship|> B", 3, "the call is not closed: no <|db_return|>"),
        ("<|db_entity|> A<|db_relationship|> B<|db_return|> C", 0, "the call is not closed: no <|db_end|>"),
    ],
)
def test_malformed_token_calls(string, offset, reason):
    with pytest.raises(MalformedCall) as error:
        parse(string, "tokens")
    assert (error.value.offset, error.value.reason) == (offset, reason)
    assert isinstance(error.value, LamlamError)


def test_spaces_after_delimiters_may_be_missing():
    tokens = "<|db_entity|>A<|db_relationship|>B<|db_return|>C<|db_end|>C"
    assert parse(tokens, "tokens") == parse("[dblookup('A', 'B') -> C]C")


def test_an_unknown_form_is_refused():
    for act in (render, parse):
        with pytest.raises(ValueError, match="unknown form 'html'"):
            act(NAPOLEON if act is render else "", "html")
