"""The demonstration at a scale of seconds: untrained models know nothing, but every stage runs and is accounted for."""

from __future__ import annotations

import pytest

from lamlam.demo.experiment import KINDS, Demonstration, Findings, Scale
from lamlam.demo.figure import draw_findings
from lamlam.demo.show import scenes
from lamlam.kb import Match

SCALE = Scale(people=60, unseen=8, vocabulary=300, steps=3, batch=2, context=32, questions=6)


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory) -> Demonstration:
    demonstration = Demonstration(tmp_path_factory.mktemp("demo"), SCALE)
    demonstration.prepare()
    for kind in KINDS:
        demonstration.train(kind, lambda *_: None)
    return demonstration


@pytest.fixture(scope="module")
def findings(demonstration) -> Findings:
    return demonstration.measure()


def test_both_models_differ_in_their_shards_only(demonstration):
    standard, lmlm = (demonstration.recipe(kind).model_dump(exclude={"data", "output"}) for kind in KINDS)
    assert standard == lmlm


def test_unseen_people_are_in_the_base_and_in_no_text(demonstration):
    from lamlam.demo.biography import documents

    told = " ".join(document.text for document in documents(demonstration.world, SCALE.seed, SCALE.copies))
    with demonstration.base() as kb:
        for person in demonstration.world.unseen:
            assert person.name not in told
            assert isinstance(kb.lookup(person.name, "Birth Place") or kb.facts(person.name)[0], Match)


def test_questions_are_drawn_from_the_seed_and_none_twice(demonstration):
    questions = demonstration.questions(demonstration.world.unseen)
    assert len(questions) == SCALE.questions
    assert questions == demonstration.questions(demonstration.world.unseen)
    assert len({(question.entity, question.relation) for question in questions}) == SCALE.questions


def test_every_figure_names_what_it_was_made_with(findings):
    assert set(findings.accuracy) == {f"{kind} {split}" for kind in KINDS for split in ("seen", "unseen")}
    for name, result in findings.accuracy.items():
        kind, split = name.split()
        assert (result.model, result.split, result.questions, result.policy) == (kind, split, 6, "abstain")
        assert 0 <= result.interval[0] <= result.accuracy <= result.interval[1] <= 1
    assert 0 < findings.chance < 1
    assert set(findings.seconds) == {
        "text and base", "training standard", "training lmlm", "asking, editing, forgetting",
    }  # fmt: skip
    state = findings.to_json()
    assert state["scale"]["people"] == 60
    assert state["edited"] == {"answers": findings.edited.answers, "share": findings.edited.share}


def test_edits_and_forgetting_reach_the_base(demonstration):
    demonstration.prepare()
    questions = demonstration.questions(demonstration.world.unseen)
    edited, forgotten = questions[:3], questions[3:]
    with demonstration.base() as kb:
        lm = demonstration.model("lmlm", kb)
        assert demonstration._edit(lm, kb, edited).answers == 3
        assert demonstration._forget(lm, kb, forgotten).answers == 3
        for question in edited:
            [match] = kb.lookup_many([(question.entity, question.relation)])
            assert match.fact.value != question.value
        assert kb.lookup_many([(question.entity, question.relation) for question in forgotten]) == [None] * 3


def test_the_figure_is_a_png(findings, tmp_path):
    draw_findings(findings, tmp_path / "findings.png")
    assert (tmp_path / "findings.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["findings.png"]


def test_the_scenes_edit_and_forget_one_birth_date(demonstration):
    demonstration.prepare()
    person = demonstration.world.unseen[0]
    with demonstration.base() as kb:
        told = list(scenes(demonstration.world, demonstration.model("lmlm", kb), kb))
        assert not kb.lookup(person.name, "Birth Date")
        assert [change.what for change in kb.history(person.name, "Birth Place")] == ["added"]
    assert len(told) == 3
    assert person.name in told[0].title
    assert told[1].title.startswith(f'kb.set("{person.name}", "Birth Date", ')
    assert told[2].title == f'kb.forget("{person.name}", "Birth Date")'
    assert all(scene.generation.prompt for scene in told)
