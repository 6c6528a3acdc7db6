"""`lamlam kb` from outside: what is printed, what --json gives, exit codes, and what is left on the disk."""

import json
import subprocess
import sys

import pytest

from lamlam.kb import Fact, KnowledgeBase
from lamlam.text import Document, Lookup
from lamlam.text.files import write_documents

COMMANDS = ["build", "get", "search", "set", "forget", "history", "import", "export", "stats", "check"]
COMMANDS += ["as-of", "diff", "rollback", "snapshot", "backup"]


@pytest.fixture
def lamlam(monkeypatch, capsys):
    """Run the command line in this process: (exit code, standard output, standard error)."""
    from lamlam.cli.main import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lamlam", "kb", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as exit:
            code = exit.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "facts.db"
    with KnowledgeBase.open(path, create=True) as kb:
        kb.add(
            [
                Fact("Ada Lovelace", "Birth Date", "1815 [O.S.]", source="d", span=(1, 5)),
                Fact("Ada Lovelace", "Job", "x"),
            ]
        )
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(lamlam, command):
    code, out, _ = lamlam(command, "--help")
    assert code == 0
    assert f"lamlam kb {command}" in " ".join(out.split())
    assert "--json" in out


def test_build_get_and_the_document_it_came_from(lamlam, tmp_path):
    text = "Ada was born in 1815."
    write_documents(
        [Document.with_lookups("d1", text, [(16, Lookup("Ada", "Birth Year", "1815"))])], tmp_path / "d.jsonl"
    )
    code, out, _ = lamlam("build", tmp_path / "d.jsonl", tmp_path / "kb.db", "--json")
    assert (code, json.loads(out)["added"]) == (0, 1)
    code, out, _ = lamlam("get", tmp_path / "kb.db", "ada", "birth year", "--json")
    (found,) = json.loads(out)
    assert (found["value"], found["source"], text[slice(*found["span"])]) == ("1815", "d1", "1815")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["d.jsonl", "kb.db"]


def test_a_build_that_fails_leaves_the_old_base_and_nothing_else(lamlam, tmp_path, base):
    (tmp_path / "d.jsonl").write_text('{"id": "a", "text": "x", "calls": []}\n{broken\n')
    before = base.read_bytes()
    code, _, err = lamlam("build", tmp_path / "d.jsonl", base)
    assert code == 1
    assert err.startswith("error:")
    assert base.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["d.jsonl", "facts.db"]


def test_get_in_a_table_shows_brackets_as_they_are(lamlam, base):
    code, out, _ = lamlam("get", base, "ada lovelace")
    assert code == 0
    assert "1815 [O.S.]" in out
    assert "d [1:5]" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("Ada Lovegood",), "none near enough"),
        (("Ada Lovelace", "Spouse"), "has no match for 'Spouse'"),
        (("Ida Lovelock", "Job"), "no match"),
    ],
)
def test_get_without_a_match_fails_in_one_line(lamlam, base, arguments, says):
    code, out, err = lamlam("get", base, *arguments)
    assert (code, out) == (1, "")
    assert says in err
    assert err.count("\n") == 1


def test_search_shows_what_would_be_taken(lamlam, base):
    code, out, _ = lamlam("search", base, "Ada Lovelacce", "--json")
    assert code == 0
    assert json.loads(out)[0]["name"] == "Ada Lovelace"
    assert json.loads(out)[0]["taken"] is True
    assert "yes" in lamlam("search", base, "Ada Lovelacce")[1]
    assert lamlam("search", base, "qqqqqqq")[0] == 1


def test_set_history_forget_and_what_is_refused_after(lamlam, base, tmp_path):
    assert lamlam("set", base, "ada lovelace", "job", "mathematician", "--author", "me", "--reason", "known")[0] == 0
    assert json.loads(lamlam("set", base, "ada lovelace", "job", "mathematician", "--json")[1]) == {"changed": False}
    changes = json.loads(lamlam("history", base, "Ada Lovelace", "Job", "--json")[1])
    assert [(change["what"], change["old"], change["new"]) for change in changes] == [
        ("added", None, "x"),
        ("set", "x", "mathematician"),
    ]
    assert "mathematician" in lamlam("history", base, "Ada Lovelace")[1]
    assert lamlam("history", base, "Nobody")[0] == 1

    code, out, _ = lamlam("forget", base, "Ada Lovelace", "--dry-run")
    assert code == 0
    assert "would be forgotten: 2 facts, 1 former values" in out
    exported = tmp_path / "out.csv"
    assert "2 facts written" in " ".join(lamlam("export", base, exported)[1].split())
    assert json.loads(lamlam("forget", base, "Ada Lovelace", "--json")[1])["dry_run"] is False
    assert lamlam("get", base, "Ada Lovelace")[0] == 1
    report = json.loads(lamlam("import", exported, base, "--json")[1])
    assert (report["added"], report["refused"]) == (0, 2)
    assert json.loads(lamlam("import", exported, base, "--force", "--json")[1])["added"] == 2


def test_an_import_that_cannot_be_read_makes_no_base(lamlam, tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert lamlam("import", tmp_path / "x.csv", tmp_path / "new.db")[0] == 1
    assert not (tmp_path / "new.db").exists()


def test_a_moment_is_named_read_compared_and_gone_back_to(lamlam, base, tmp_path):
    assert json.loads(lamlam("snapshot", base, "first", "--json")[1])[0]["name"] == "first"
    lamlam("set", base, "Ada Lovelace", "Job", "mathematician", "--reason", "known")
    assert "first" in lamlam("snapshot", base)[1]
    assert json.loads(lamlam("as-of", base, "first", "ada lovelace", "job", "--json")[1])[0]["value"] == "x"
    (change,) = json.loads(lamlam("diff", base, "first", "--json")[1])
    assert (change["old"], change["new"], change["reason"]) == ("x", "mathematician", "known")
    assert "mathematician" in lamlam("diff", base, "first")[1]
    assert lamlam("backup", base, tmp_path / "copy.db")[0] == 0
    assert json.loads(lamlam("rollback", base, "first", "--json")[1]) == {"changed": 2}
    assert json.loads(lamlam("get", base, "Ada Lovelace", "Job", "--json")[1])[0]["value"] == "x"
    code, out, _ = lamlam("get", tmp_path / "copy.db", "Ada Lovelace", "Job", "--json")
    assert (code, json.loads(out)[0]["value"]) == (0, "mathematician")
    for arguments in (("as-of", base, "never", "Ada Lovelace"), ("backup", base, base), ("snapshot", base, "first")):
        code, _, err = lamlam(*arguments)
        assert code == 1
        assert err.count("\n") == 1


def test_stats_and_check(lamlam, base):
    assert json.loads(lamlam("stats", base, "--json")[1])["facts"] == 2
    assert "Birth Date" in lamlam("stats", base)[1]
    assert json.loads(lamlam("check", base, "--json")[1]) == {"problems": []}
    assert lamlam("check", base)[1] == "nothing is wrong\n"
    with KnowledgeBase.open(base) as kb:
        kb._store._connection.execute("UPDATE facts SET support = 9")
    code, out, _ = lamlam("check", base)
    assert code == 1
    assert "support" in out


@pytest.mark.parametrize("command", ["get", "search", "history"])
def test_no_base_fails_in_one_line(lamlam, tmp_path, command):
    code, _, err = lamlam(command, tmp_path / "none.db", "x")
    assert code == 1
    assert "there is no base at" in err


def test_bad_usage_is_2(lamlam, base):
    assert lamlam("get")[0] == 2
    assert lamlam("get", base, "x", "y", "--k", "0")[0] == 2


def test_asking_loads_neither_torch_nor_pyarrow(base):
    code = (
        "import sys; sys.argv = ['lamlam', 'kb', 'get', sys.argv[1], 'Ada Lovelace']\n"
        "from lamlam.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print({'torch', 'pyarrow', 'transformers'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code, base], capture_output=True, text=True, check=True).stdout
    assert out.endswith("set()\n")


EVIL = "a\x1b[31mred\x1b[0m\x07b\x9b2J\u202ec\nd"


def commands_of_a_terminal(out):
    return [char for char in out if (ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160 or char == "\u202e"]


def test_nothing_in_a_base_commands_the_terminal(lamlam, tmp_path):
    base = tmp_path / "evil.db"
    with KnowledgeBase.open(base, create=True) as kb:
        kb.add([Fact(EVIL, EVIL, EVIL, source=EVIL)], author=EVIL, reason=EVIL)
        kb.add_alias("Alias\x1b[5m", EVIL)
        kb.snapshot(EVIL)
        kb.set(EVIL, EVIL, f"{EVIL} too", author=EVIL)
    for arguments in (
        *(("get", base, EVIL), ("get", base, EVIL, EVIL), ("get", base, "nobody"), ("get", base, EVIL, "nothing")),
        *(("search", base, EVIL), ("history", base, EVIL), ("diff", base, EVIL), ("snapshot", base)),
        *(("as-of", base, EVIL, EVIL), ("stats", base), ("set", base, EVIL, EVIL, EVIL), ("set", base, EVIL, "", "x")),
        *(("rollback", base, EVIL), ("import", tmp_path / "\x1b.csv", base), ("forget", base, EVIL, "--dry-run")),
        *(("forget", base, EVIL, "nothing\x1b"), ("forget", base, EVIL)),
    ):
        code, out, err = lamlam(*arguments)
        assert commands_of_a_terminal(out + err) == [], arguments
        assert code in (0, 1)
        if code == 0 and arguments[0] in ("get", "history", "diff", "forget"):
            assert r"\x1b[31mred\x1b[0m\x07b\x9b2J\u202ec\nd" in out


def test_json_holds_every_character_and_commands_no_terminal_either(lamlam, tmp_path):
    base = tmp_path / "evil.db"
    with KnowledgeBase.open(base, create=True) as kb:
        kb.add([Fact(EVIL, EVIL, EVIL)])
    _, out, _ = lamlam("get", base, EVIL, "--json")
    assert json.loads(out)[0]["value"] == EVIL
    assert commands_of_a_terminal(out) == []


def test_stats_draws_all_facts(lamlam, tmp_path):
    base = tmp_path / "facts.db"
    with KnowledgeBase.open(base, create=True) as kb:
        kb.add(Fact(f"E{n}", f"R{n // 10 if n < 90 else n}", "v") for n in range(120))
    lines = lamlam("stats", base)[1].splitlines()
    assert any(line.split()[:3] == ["R0", "10", "8.3%"] and line.endswith("█") for line in lines)
    assert any(line.split() == ["(19", "others)", "19", "15.8%"] for line in lines)


def test_what_is_left_out_is_told(lamlam, tmp_path):
    (tmp_path / "facts.csv").write_text("entity,relation,value\na,b,c\na,b\n,b,c\n")
    code, out, _ = lamlam("import", tmp_path / "facts.csv", tmp_path / "new.db")
    assert code == 0
    assert "1 facts added" in out
    assert "1 left out: not as many cells as the header has; quote cells that hold commas (first: line 3)" in out
    out = lamlam("import", tmp_path / "facts.csv", tmp_path / "new.db", "--json")[1]
    assert json.loads(out)["known"] == 1
    assert sum(json.loads(out)["left_out"].values()) == 2
