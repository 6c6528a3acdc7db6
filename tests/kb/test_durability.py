"""What is acknowledged is on the disk: kill -9 in the middle of edits, group commit, backup while in use."""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase

WRITER = """
import sys
from lamlam.kb import Fact, KnowledgeBase
start, group = int(sys.argv[2]), int(sys.argv[3])
with KnowledgeBase.open(sys.argv[1]) as kb:
    for at in range(start, 100_000, group):
        kb.edit([Fact(f"E{n % 500}", "R", f"v{n}") for n in range(at, at + group)])
        print(at + group, flush=True)
"""


def kill_in_the_middle(path, start: int, group: int, after: float) -> int:
    """The first edit that was not acknowledged."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, path, str(start), str(group)], stdout=subprocess.PIPE)
    acknowledged = int(process.stdout.readline())
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    for line in process.stdout.read().split(b"\n")[:-1]:
        acknowledged = int(line)
    process.wait()
    process.stdout.close()
    return acknowledged


def test_edits_that_were_acknowledged_survive_kill_9(path):
    with KnowledgeBase.open(path, create=True) as kb:
        kb.add(Fact(f"E{n}", "R", "first") for n in range(500))
    start = 0
    for attempt in range(4):
        before, start = start, kill_in_the_middle(path, start, (1, 10, 50, 7)[attempt], 0.05 * attempt)
        with KnowledgeBase.open(path) as kb:
            assert kb.check() == []
            assert start > before
            for n in range(max(before, start - 500), start):
                # A later edit of the same key may have been written without having been acknowledged.
                assert int(kb.lookup(f"E{n % 500}", "R").fact.value[1:]) in (n, n + 500)


def test_threads_share_the_syncs_and_fail_alone(kb):
    kb.add([Fact("E", "R", "v")])
    outcomes = []
    start = threading.Barrier(16)

    def edit(number: int) -> None:
        start.wait()
        for step in range(10):
            if (number + step) % 4 == 0:
                with pytest.raises(LamlamError, match="empty"):
                    kb.set(f"E{number}", "R", "")
            else:
                kb.set(f"E{number}", "R", f"v{step}", reason=f"by {number}")
                outcomes.append((number, step))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(edit, range(16)))
    for number in range(16):
        done = [step for of, step in outcomes if of == number]
        assert kb.lookup(f"E{number}", "R").fact.value == f"v{max(done)}"
        assert [change.new for change in kb.history(f"E{number}")] == [f"v{step}" for step in done]
        assert {change.reason for change in kb.history(f"E{number}")} == {f"by {number}"}
    assert len(outcomes) == 120
    assert kb.check() == []


def test_edit_is_all_or_nothing_and_the_last_of_a_key_holds(kb):
    kb.add([Fact("E", "R", "old", source="d")])
    with pytest.raises(LamlamError, match="empty"):
        kb.edit([Fact("E", "R", "new"), Fact("F", "R", "")])
    assert kb.lookup("E", "R").fact.value == "old"
    assert (
        kb.edit([Fact("E", "R", "a"), Fact("e", "r", "b", source="s"), Fact("E", "R", "c"), Fact("G", "R", "g")]) == 4
    )
    assert [match.fact.value for match in kb.lookup("E", "R", k=9)] == ["c"]
    assert [(c.old, c.new) for c in kb.history("E")] == [(None, "old"), ("old", "c")]
    assert kb.stats()["sources"] == 1
    assert kb.check() == []


def test_a_backup_is_the_base_at_one_moment(ada, tmp_path):
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            ada.edit([Fact("A", "R", str(number)), Fact("B", "R", str(number))])

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        for number in range(5):
            ada.backup(tmp_path / f"{number}.db")
        stop.set()
        writing.result()
    for number in range(5):
        with KnowledgeBase.open(tmp_path / f"{number}.db") as copy:
            assert copy.check() == []
            assert copy.lookup("Ada Lovelace", "Birth Date") == ada.lookup("Ada Lovelace", "Birth Date")
            values = {match and match.fact.value for match in copy.lookup_many([("A", "R"), ("B", "R")])}
            assert len(values) == 1
    with pytest.raises(LamlamError, match="already"):
        ada.backup(tmp_path / "0.db")
    with pytest.raises(LamlamError, match="no folder"):
        ada.backup(tmp_path / "none" / "0.db")
    assert not [file for file in tmp_path.iterdir() if "partial" in file.name]


def test_what_was_forgotten_is_not_in_a_backup_made_after(ada, path, tmp_path):
    ada.forget("Ada Lovelace")
    (tmp_path / "copies").mkdir()
    ada.backup(tmp_path / "copies" / "b.db")
    assert b"Lovelace" not in b"".join(file.read_bytes() for file in (tmp_path / "copies").iterdir())
