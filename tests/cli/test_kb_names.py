"""`lamlam kb alias`, `synonym`, `aliases`, `synonyms` from outside."""

import json
import sys

import pytest

from lamlam.cli.main import main
from lamlam.kb import Fact, KnowledgeBase


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "facts.db"
    with KnowledgeBase.open(path, create=True) as kb:
        kb.add([Fact("Ada Lovelace", "Educated At", "home")])
    return path


@pytest.fixture
def lamlam(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lamlam", "kb", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return run


def test_names_are_given_shown_written_and_taken_back(lamlam, base, tmp_path):
    assert lamlam("alias", base, "[Countess]", "Ada Lovelace", "--author", "me")[1] == (
        "added: '[Countess]' for 'Ada Lovelace'\n"
    )
    assert json.loads(lamlam("synonym", base, "Stamping Ground", "educated at", "--json")[1]) == {"changed": True}
    assert "it was there already" in lamlam("synonym", base, "stamping ground", "educated at")[1]
    assert "home" in lamlam("get", base, "[countess]", "stamping ground")[1]
    code, out, _ = lamlam("aliases", base)
    assert code == 0
    assert "[Countess]" in out
    [synonym] = json.loads(lamlam("synonyms", base, "--json")[1])
    assert (synonym["name"], synonym["of"], synonym["ended"]) == ("Stamping Ground", "Educated At", None)
    assert "1 aliases written" in lamlam("aliases", base, "--to", tmp_path / "a.csv")[1]
    assert "taken back" in lamlam("alias", base, "[Countess]", "Ada Lovelace", "--remove")[1]
    assert "none such" in lamlam("alias", base, "[Countess]", "Ada Lovelace", "--remove")[1]
    assert "no aliases of its own" in lamlam("aliases", base)[1]
    assert "until" in lamlam("aliases", base, "--past")[1]
    assert json.loads(lamlam("aliases", base, "--from", tmp_path / "a.csv", "--json")[1])["added"] == 1


def test_what_cannot_be_done_is_one_line(lamlam, base, tmp_path):
    code, _, err = lamlam("synonym", base, "x", "Shoe Size")
    assert (code, err) == (
        1,
        "error: there is no relation 'Shoe Size' in the base; its most frequent are Educated At\n",
    )
    assert lamlam("aliases", base, "--from", "a.csv", "--to", "b.csv")[0] == 2
    code, _, err = lamlam("aliases", base, "--from", tmp_path / "none.csv")
    assert code == 1
    assert "none.csv: no such file" in err


def test_what_a_name_is_taken_for_is_told_and_why_for_nothing(lamlam, base):
    with KnowledgeBase.open(base) as kb:
        kb.add([Fact("John Fitzgerald Kennedy", "Job", "president"), Fact("John Francis Kennedy", "Job", "baker")])
    assert lamlam("resolve", base, "Lovelace, Ada", "university")[1].splitlines() == [
        "'Lovelace, Ada' is taken for 'Ada Lovelace' (fuzzy, 0.96)",
        "'university' is taken for 'Educated At' (synonym, 0.90)",
    ]
    _, out, _ = lamlam("resolve", base, "John F. Kennedy", "Job")
    assert "'John F. Kennedy' is taken for nothing: several that cannot be told apart" in out
    assert "near it: 'John Francis Kennedy'" in out
    assert "none is taken: several that cannot be told apart" in lamlam("search", base, "John F. Kennedy")[1]
    assert json.loads(lamlam("resolve", base, "Nobody At All", "--json")[1])[0]["why"] == "none near enough"
