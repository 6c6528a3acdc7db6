"""TOFU: its two figures by hand, its files, and both ways to unlearn on models that are trained here."""

import json
import math

import pytest
import torch

from lamlam.errors import LamlamError
from lamlam.evaluate import Tuning, answer_scores, finetuned, read_tofu, unlearn_base, unlearn_weights, unlearned
from lamlam.evaluate.finetune import _batches
from lamlam.evaluate.tofu import Asked, forget_quality, rouge_l_recall, truth_ratios
from lamlam.generate import LookupModel
from lamlam.kb import Fact, KnowledgeBase
from lamlam.model import new_model
from lamlam.text import Document, Lookup
from tests.evaluate.conftest import TableModel

NAMES = ["Ada", "Boole", "Curie", "Darwin"]
PLACES = ["London", "Lincoln", "Warsaw", "Shrewsbury"]


@pytest.fixture
def folder(tmp_path):
    full = [
        {"question": f"{name} was born in", "answer": f"{place}."} for name, place in zip(NAMES, PLACES, strict=True)
    ]
    asked = [{**row, "perturbed_answer": ["Paris.", "Rome."]} for row in full]
    sets = {
        "full": full, "retain90": full[:3], "forget10_perturbed": asked[3:], "retain_perturbed": asked[:3],
        "real_authors_perturbed": asked[:1], "world_facts_perturbed": asked[1:2],
    }  # fmt: skip
    for name, rows in sets.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def marked():
    return [
        Document.with_lookups(
            str(i), f"{name} was born in {place}.", [(len(name) + 13, Lookup(name, "Birth Place", place))]
        )
        for i, (name, place) in enumerate(zip(NAMES, PLACES, strict=True))
    ]


@pytest.fixture
def lm(tokenizer):
    return LookupModel(new_model("tiny", tokenizer).eval(), tokenizer, None)


def test_the_truth_ratio_by_hand(tokenizer):
    """With a table of probabilities, an answer's geometric mean is that of its tokens."""
    table = torch.rand(len(tokenizer), generator=torch.Generator().manual_seed(0)) + 0.01
    table /= table.sum()
    lm = LookupModel(TableModel(table), tokenizer, None)

    def mean(text):
        logs = [table[token].log().item() for token in tokenizer.encode_text(f" {text}", first=False)]
        return math.exp(sum(logs) / len(logs))

    [ratio] = truth_ratios(lm, [Asked("Ada was born in", "London", "London town", ("Paris", "Rome"))])
    assert ratio == pytest.approx((mean("Paris") + mean("Rome")) / 2 / mean("London town"), rel=1e-4)


def test_a_model_that_would_rather_ask_is_scored_by_what_it_says_instead(tokenizer):
    table = torch.rand(len(tokenizer), generator=torch.Generator().manual_seed(0)) + 0.01
    table[list(tokenizer.lookup_ids)] = 0
    table /= table.sum()
    asking = 0.01 * table
    asking[tokenizer.entity_id] = 0.99
    scores = [
        answer_scores(LookupModel(TableModel(one), tokenizer, None), [("Ada was born in", "London town.")])[0]
        for one in (table, asking)
    ]
    assert scores[0].probability == pytest.approx(scores[1].probability, rel=1e-4)


def test_forget_quality_and_rouge():
    same = [0.1 * i for i in range(50)]
    assert forget_quality(same, same) == (1.0, 0.0)
    assert forget_quality(same, [10 + one for one in same])[0] < 1e-10
    assert rouge_l_recall("the cat sat on a mat", "The cat is on the mat") == pytest.approx(4 / 6)
    assert rouge_l_recall("", "x") == 0


def test_what_is_retained_is_what_the_retain_file_holds(folder):
    tofu = read_tofu(folder, "10", marked())
    assert [document.id for document in tofu.forget_documents] == ["3"]
    assert [document.id for document in tofu.retain_documents] == ["0", "1", "2"]
    assert tofu.forget[0].paraphrase == "Shrewsbury."


def test_an_lmlm_forgets_by_its_base(folder, lm, tmp_path):
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as kb:
        kb.add([Fact("Somebody", "Birth Place", "Here")])
        tofu = read_tofu(folder, "10", marked())
        results = list(unlearn_base(lm, kb, [tofu], data="toy", model="tiny", tuning=Tuning(1)))
        assert len(kb) == 1
    assert [result.base for result in results] == ["forget10: before", "forget10: kb.forget"]
    assert {"forget quality (p)", "utility", "of the utility before"} <= set(results[1].metrics)


def test_weights_unlearn_in_three_ways(folder, lm):
    results = unlearn_weights(
        lm, [read_tofu(folder, "10")], data="toy", model="tiny", tuning=Tuning(1), unlearning=Tuning(1)
    )
    methods = ("before", "gradient ascent", "gradient difference", "NPO")
    assert [one.base for one in results] == [f"forget10: {method}" for method in methods]


def test_what_is_left_out_leaves_the_other_batches_as_they_were():
    every = [Document(str(i), f"Ada has {i} books.") for i in range(20)]
    tuning = Tuning(epochs=2, batch=3)
    whole, less = list(_batches(every, tuning)), list(_batches(every[:9], tuning, every[9:]))
    kept = [[document for document in batch if int(document.id) < 9] for batch in whole]
    assert less == [batch for batch in kept if batch]
    assert less != list(_batches(every[:9], tuning))  # which a tuning on the nine alone would have


@pytest.mark.parametrize("method", ["ascent", "difference", "npo"])
def test_unlearning_makes_the_forgotten_unlikelier_and_tuning_likelier(lm, method):
    documents = marked()
    pair = [("Darwin was born in", "Shrewsbury.")]
    tuned = finetuned(lm, documents, "standard", Tuning(4))
    before, learnt = (answer_scores(one, pair)[0].probability for one in (lm, tuned))
    less = unlearned(tuned, documents[3:], documents[:3], method, "standard", Tuning(4))
    assert before < learnt > answer_scores(less, pair)[0].probability
    assert answer_scores(tuned, pair)[0].probability == learnt  # a copy was changed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "full.jsonl").unlink(), "no full.parquet or full.jsonl"),
        (
            lambda folder: (folder / "retain90.jsonl").write_bytes((folder / "full.jsonl").read_bytes()),
            "nothing to forget",
        ),
        (
            lambda folder: (folder / "forget10_perturbed.jsonl").write_text('{"question": "x", "answer": "y"}'),
            "line 1: a question without an answer, or without perturbed",
        ),
    ],
)
def test_bad_folders(folder, change, says):
    change(folder)
    with pytest.raises(LamlamError, match=says):
        read_tofu(folder, "10")


def test_documents_that_are_not_tofus(folder, lm):
    with pytest.raises(LamlamError, match="number 0 should read 'Ada was born in London"):
        read_tofu(folder, "10", [Document("0", "something else")])
    with pytest.raises(LamlamError, match="have no calls"):
        next(unlearn_base(lm, None, [read_tofu(folder, "10")], data="toy", model="m", tuning=Tuning(1)))
    with pytest.raises(LamlamError, match="no documents to tune on"):
        finetuned(lm, [], "lmlm", Tuning(1))
    with pytest.raises(LamlamError, match="no such folder"):
        read_tofu(folder / "none", "10")
