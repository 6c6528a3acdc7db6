"""A real server on a free loopback port, with a random model that asks often and a small real base."""

import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from lamlam.generate import LookupModel
from lamlam.kb import Fact, KnowledgeBase
from lamlam.model import LookupTokenizer, train_tokenizer
from lamlam.serve import create_app, listen
from tests.generate.conftest import TEXT, make_model


class Answering:
    """A real base, asked for Ada's birth date whatever the model asks: a random model hits on no name."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb = kb

    def lookup_many(self, queries):
        return self.kb.lookup_many(
            [query if query[0] == "Nobody" else ("Ada Lovelace", "Birth Date") for query in queries]
        )


@pytest.fixture(scope="session")
def tokenizer() -> LookupTokenizer:
    return train_tokenizer([TEXT], vocab_size=300)


@pytest.fixture(scope="session")
def kb(tmp_path_factory) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(tmp_path_factory.mktemp("base") / "facts.db", create=True) as base:
        base.add([Fact("Ada Lovelace", "Birth Date", "10 December 1815", source="doc-17", span=(28, 44))])
        yield base


@pytest.fixture(scope="session")
def lm(tokenizer, kb) -> LookupModel:
    return LookupModel(make_model(tokenizer, 0), tokenizer, Answering(kb))


@pytest.fixture(scope="session")
def client(lm) -> Iterator[httpx.Client]:
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(lm, "tiny"), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=60) as client:
        yield client
    server.should_exit = True
    thread.join()
    listening.close()
