import pytest

from lamlam.demo.biography import documents
from lamlam.demo.world import World, make_world
from lamlam.text import Document


@pytest.fixture(scope="session")
def world() -> World:
    return make_world(seed=3, people=300, unseen=100)


@pytest.fixture(scope="session")
def told(world: World) -> list[Document]:
    return documents(world, seed=5, copies=2)
