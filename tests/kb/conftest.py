"""Bases for the tests: on both stores, unless a test is about the file.

A test that asks for `kb`, `ada`, `raw`, `new_base` or `lend` runs on SQLite and on PostgreSQL. One that asks for
`path`, the file of its base, runs on SQLite alone.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

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


Lent = AbstractContextManager[tuple[KnowledgeBase, Callable[[], bytes]]]


@pytest.fixture
def lend(store: str, request: pytest.FixtureRequest) -> Callable[[], Lent]:
    """Makes empty bases for a while, each with what reads the bytes of its files."""
    if store == "sqlite":

        @contextmanager
        def lend() -> Iterator[tuple[KnowledgeBase, Callable[[], bytes]]]:
            with TemporaryDirectory() as folder, KnowledgeBase.open(f"{folder}/facts.db", create=True) as kb:
                yield kb, lambda: b"".join(file.read_bytes() for file in Path(folder).iterdir())

    else:
        server = request.getfixturevalue("server")

        @contextmanager
        def lend() -> Iterator[tuple[KnowledgeBase, Callable[[], bytes]]]:
            with server.lent() as url, KnowledgeBase.open(url, create=True) as kb:
                yield kb, lambda: server.raw(url)

    return lend


@pytest.fixture
def new_base(lend: Callable[[], Lent]) -> Iterator[Callable[[], KnowledgeBase]]:
    """Makes empty bases, which are closed in the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(lend())[0]


@pytest.fixture
def lent(store: str, request: pytest.FixtureRequest) -> Iterator[tuple[KnowledgeBase, Callable[[], bytes]]]:
    """One empty base, with what reads its bytes; an SQLite base is the file `path`."""
    if store == "sqlite":
        path = request.getfixturevalue("path")
        with KnowledgeBase.open(path, create=True) as kb:
            yield kb, lambda: b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())
    else:
        with request.getfixturevalue("lend")() as lent:
            yield lent


@pytest.fixture
def kb(lent: tuple[KnowledgeBase, Callable[[], bytes]]) -> KnowledgeBase:
    return lent[0]


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
def raw(lent: tuple[KnowledgeBase, Callable[[], bytes]]) -> Callable[[], bytes]:
    """Reads the bytes of all files of `kb`; of PostgreSQL's those of its database, not the server's log."""
    return lent[1]
