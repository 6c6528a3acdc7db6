from lamlam.demo.probes import probes, reworded
from lamlam.demo.world import RELATIONS, World
from lamlam.text import Document


def test_a_probe_asks_for_a_true_fact_in_words_that_do_not_give_it_away(world: World):
    for probe in probes(world, world.seen + world.unseen):
        assert world.value(probe.entity, probe.relation) == probe.value
        assert probe.entity in probe.prompt
        assert probe.value not in probe.prompt
        assert probe.prompt == probe.prompt.strip()


def _way(name: str, before: str) -> tuple[str, str]:
    """The first sentence of a text and the beginning of its last one, with placeholders for the name."""
    before = before.replace(name, "NAME").replace(name.split()[-1], "FAMILY")
    first, *_, last = before.split(". ") if ". " in before else ("", before)
    return first, last


def test_probes_go_on_as_training_texts_do(world: World, told: list[Document]):
    firsts, lasts = {""}, set()
    for document in told:
        name = document.meta["title"]
        for call in document.calls:
            first, last = _way(name, document.text[: call.at - 1])
            firsts.add(first)
            lasts.add((call.lookup.relation, last))
    for probe in probes(world, world.unseen):
        first, last = _way(probe.entity, probe.prompt)
        assert first in firsts
        assert (probe.relation, last) in lasts


def test_every_relation_is_probed_once_for_each_person(world: World):
    asked = probes(world, world.unseen[:1])
    assert sorted(probe.relation for probe in asked) == sorted(RELATIONS["person"] + RELATIONS["book"])


def test_about_half_of_the_probes_about_people_need_the_name_from_the_sentence_before(world: World):
    asked = [probe for probe in probes(world, world.unseen) if world.kinds[probe.entity] == "person"]
    share = sum(". " in probe.prompt for probe in asked) / len(asked)
    assert 0.4 < share < 0.6


def test_per_person_limits_and_the_seed_varies_the_probes(world: World):
    first, again, other = (probes(world, world.unseen, 4, seed=seed) for seed in (1, 1, 2))
    assert len(first) == 4 * len(world.unseen)
    assert first == again != other
    assert len(probes(world, world.unseen[:2], 99)) == 2 * 13


def test_reworded_asks_for_the_same_in_other_words(world: World):
    for probe in probes(world, world.unseen[:5]):
        again = reworded(world, probe, seed=0)
        assert again == reworded(world, probe, seed=0)
        assert (again.entity, again.relation, again.value) == (probe.entity, probe.relation, probe.value)
        assert again.prompt.split()[-2:] != probe.prompt.split()[-2:]
