"""Bases for the tests: on both stores, unless a test is about the file.

A test that asks for `kb`, `ada`, `new_base` or `raw` runs on SQLite and on PostgreSQL. One that asks for `path`, the
file of its base, runs on SQLite alone.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lamlam.kb import Fact, KnowledgeBase
from tests.kb.postgres_server import Server, running


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        stores = ["sqlite"] if "path" in metafunc.fixturenames else ["sqlite", "postgres"]
        metafunc.parametrize("store", stores, indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "facts.db"


@pytest.fixture
def new_base(store: str, request: pytest.FixtureRequest) -> Iterator[Callable[[], KnowledgeBase]]:
    """Makes empty bases, which are closed in the end."""
    with ExitStack() as stack:
        if store == "sqlite":
            folder, made = request.getfixturevalue("tmp_path"), 0

            def make() -> KnowledgeBase:
                nonlocal made
                made += 1
                name = "facts.db" if made == 1 else f"facts-{made}.db"
                return stack.enter_context(KnowledgeBase.open(folder / name, create=True))
        else:
            server = request.getfixturevalue("server")

            def make() -> KnowledgeBase:
                return stack.enter_context(KnowledgeBase.open(stack.enter_context(server.lent()), create=True))

        yield make


@pytest.fixture
def kb(new_base: Callable[[], KnowledgeBase]) -> KnowledgeBase:
    return new_base()


@pytest.fixture
def ada(kb: KnowledgeBase) -> KnowledgeBase:
    kb.add(
        [
            Fact("Ada Lovelace", "Birth Date", "10 December 1815", source="doc-17", span=(28, 44)),
            Fact("Ada Lovelace", "Occupation", "mathematician"),
            Fact("Charles Babbage", "Birth Date", "26 December 1791"),
        ]
    )
    return kb


@pytest.fixture
def raw(store: str, kb: KnowledgeBase, request: pytest.FixtureRequest) -> Callable[[], bytes]:
    """Reads the bytes of all files of `kb`; of PostgreSQL's those of its database, not the server's log."""
    if store == "sqlite":
        folder = request.getfixturevalue("tmp_path")
        return lambda: b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file())
    return request.getfixturevalue("server").raw
