"""The worst that names and values can be: a right answer or a clear error, and nothing lost."""

import sqlite3
import unicodedata
from pathlib import Path

import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase, schema
from lamlam.kb.exchange import read_facts, write_facts
from lamlam.kb.importing import import_file

NASTY = [
    "n" * 100_000,
    "word " * 20_000 + "end",
    "\x1b[31mred\x1b[0m",
    "bell\x07 tab\t line\nbreak \x85 \x9b2J",
    "\u202eright to left\u202c",
    "'; DROP TABLE facts; --",
    "quote \" and ' and \\",
    "%",
    "_",
    "*",
    "?1",
    "[a-z]",
    "NULL",
    "\N{COMBINING ACUTE ACCENT}",
    "\N{ZERO WIDTH SPACE}",
    "👩‍👩‍👧",
    "\ufffe\U0010ffff",
]


@pytest.mark.parametrize("name", NASTY, ids=lambda name: ascii(name[:20]))
def test_any_name_is_kept_found_changed_written_read_and_forgotten(kb, path, tmp_path, name):
    fact = Fact(name, name, name, source=name, author=name)
    kb.add([fact, Fact("Bystander", "R", "v")])
    assert kb.lookup(name, name).fact == fact
    assert kb.lookup_many([(name, name), ("Bystander", "R")])[0].fact == fact
    assert kb.resolve(name).name == name
    kb.set(name, name, f"{name}2", reason=name)
    assert [change.new for change in kb.history(name, name)] == [name, f"{name}2"]
    for suffix in (".csv", ".parquet", ".json"):
        write_facts(kb, tmp_path / f"facts{suffix}")
        read = {(one.entity, one.value) for one in read_facts(tmp_path / f"facts{suffix}")}
        # The peer's format writes white space as underscores, and a backslash before a quote as an escape.
        if suffix != ".json" or not {"_", "\\"} & set(name):
            assert read == {(name, f"{name}2"), ("Bystander", "v")}
    assert import_file(tmp_path / "facts.parquet", path).added == 0
    assert kb.check() == []
    kb.forget(name)
    assert kb.lookup(name, name) is None
    assert kb.lookup("Bystander", "R").fact.value == "v"
    assert kb.add([fact]).refused == 1
    assert len(kb) == 1


@pytest.mark.parametrize("query", ["%", "_", "*", "?", "By%", "B_stander", "B*", "' OR 1=1 --", "\\"])
def test_wildcards_and_sql_match_nothing_but_themselves(kb, query):
    kb.add([Fact("Bystander", "Relation", "v"), Fact("Standby", "R%", "w")])
    assert kb.lookup(query, "Relation") is None
    assert kb.lookup("Bystander", query) is None
    assert kb.facts(query) == []
    with pytest.raises(LamlamError, match="no entity"):
        kb.forget(query)
    assert len(kb) == 2


@pytest.mark.parametrize("nothing", ["", " ", "\t\n", "\u3000"])
def test_empty_strings_are_refused_and_mean_nothing(ada, nothing):
    for fact in (Fact(nothing, "R", "v"), Fact("E", nothing, "v"), Fact("E", "R", nothing)):
        with pytest.raises(LamlamError, match="is empty"):
            ada.add([fact])
        with pytest.raises(LamlamError, match="is empty"):
            ada.set(fact.entity, fact.relation, fact.value)
    with pytest.raises(LamlamError, match="is empty"):
        ada.add_alias(nothing, "Ada Lovelace")
    with pytest.raises(LamlamError, match="white space"):
        ada.snapshot(nothing)
    assert (ada.lookup(nothing, "R"), ada.lookup("Ada Lovelace", nothing)) == (None, None)
    assert (ada.facts(nothing), ada.candidates(nothing), ada.history(nothing)) == ([], [], [])
    assert len(ada) == 3


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_normal_forms_of_one_name_are_one_name(kb, path, form):
    name, value = "Ångström Café ﬁn", "Zürich"
    kb.add([Fact(unicodedata.normalize("NFD", name), "Résidence", unicodedata.normalize("NFD", value))])
    asked = unicodedata.normalize(form, name)
    found = kb.lookup(asked, unicodedata.normalize(form, "Résidence"))
    assert unicodedata.normalize("NFC", found.fact.value) == value
    kb.forget(asked)
    assert kb.lookup(unicodedata.normalize("NFD", name), "Résidence") is None
    assert kb.add([Fact(asked, "Résidence", unicodedata.normalize(form, value))]).refused == 1


def test_the_same_name_in_two_normal_forms_is_told_to_be_ambiguous_or_forgotten_as_one(kb):
    composed, decomposed = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
    kb.add([Fact(composed, "R", "one"), Fact(decomposed, "R", "other")])
    assert kb.lookup(composed, "R").fact.value == "one"
    assert kb.lookup(decomposed, "R").fact.value == "other"
    assert kb.lookup("cafe", "R") is None
    assert kb.resolve("cafe").why == "several that cannot be told apart"
    kb.forget("CAFÉ")
    assert len(kb) == 0


@pytest.mark.parametrize("keep", [0, 50, 1000, 5000])
def test_a_file_of_facts_that_is_cut_off_loses_nothing_of_the_base(ada, path, tmp_path, keep):
    facts = [Fact(f"E{n}", "R", f"v{n}") for n in range(900)]
    for suffix in (".parquet", ".json"):
        write_facts(facts, tmp_path / f"facts{suffix}")
        whole = (tmp_path / f"facts{suffix}").read_bytes()
        (tmp_path / f"facts{suffix}").write_bytes(whole[: min(keep, len(whole) - 1)])
        with pytest.raises(LamlamError) as raised:
            import_file(tmp_path / f"facts{suffix}", path)
        assert "\n" not in str(raised.value)
    assert (len(ada), ada.check()) == (3, [])


def test_an_import_beside_a_writer_waits_says_so_and_goes_on(ada, path, tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.1)
    write_facts([Fact("New", "R", "v")], tmp_path / "facts.csv")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(LamlamError, match="another process is writing"):
        import_file(tmp_path / "facts.csv", path)
    writer.execute("ROLLBACK")
    writer.close()
    assert import_file(tmp_path / "facts.csv", path).added == 1
    assert len(ada) == 4


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a file system that nobody may write to")
def test_a_disk_that_can_only_be_read(ada, tmp_path):
    with pytest.raises(LamlamError, match=r"/sys/facts\.db"):
        KnowledgeBase.open("/sys/facts.db", create=True)
    with pytest.raises((LamlamError, OSError), match="/sys"):
        ada.backup("/sys/copy.db")
    write_facts(ada, tmp_path / "facts.csv")
    with pytest.raises((LamlamError, OSError), match="/sys"):
        import_file(tmp_path / "facts.csv", "/sys/facts.db")
    assert len(ada) == 3


def test_a_base_from_a_newer_version_is_left_as_it_is(ada, path, tmp_path):
    write_facts(ada, tmp_path / "facts.csv")
    ada.close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    other.close()
    before = path.read_bytes()
    with pytest.raises(LamlamError, match="install a newer lamlam"):
        import_file(tmp_path / "facts.csv", path)
    assert path.read_bytes() == before
