"""The tests of the base that are about no file, on PostgreSQL: what one store answers, the other answers too."""

import inspect
from collections.abc import Iterator

import pytest

from lamlam.kb import KnowledgeBase
from lamlam.kb.postgres import PostgresStore
from tests.kb import postgres_server, test_base, test_forget, test_other_names


def _about_no_file(name: str, test: object) -> bool:
    parameters = inspect.signature(test).parameters if name.startswith("test_") and callable(test) else {}
    return bool({"kb", "ada", "schools"} & set(parameters)) and not {"path", "tmp_path", "monkeypatch"} & set(
        parameters
    )


for _module in (test_base, test_forget, test_other_names):
    globals().update({name: test for name, test in vars(_module).items() if _about_no_file(name, test)})


schools = test_other_names.schools


@pytest.fixture(scope="module")
def server() -> Iterator[postgres_server.Server]:
    with postgres_server.running() as running:
        yield running


@pytest.fixture
def kb(server: postgres_server.Server) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(PostgresStore(server.new_database(), create=True)) as base:
        yield base
