"""The forgetting audit: what is still said after a fact was deleted, and by which way it came.

The model is fixed and the base varies (arXiv 2607.00605): FULL, everything there; DEL-ON, the facts deleted with
`forget`, aliases and all, lookups on; DEL-OFF, lookups off, so that only the weights can speak. Once more against
prompts that beg for the value, and sampling many times. Four topologies: `lamlam.evaluate.topologies`.

How often a value turns up by mere chance is measured in the same texts: a *decoy* is the value of another question
about the same relation. *Leakage* is what the weights give above what a model gives that never saw the facts: a control
model, and, where the questions say how often they were `seen` in training, this one about the facts that it never saw.
All deletions of a topology are made before the first is asked about.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from lamlam.errors import LamlamError
from lamlam.evaluate.completion import first_calls
from lamlam.evaluate.matching import contains, strict
from lamlam.evaluate.oracle import forget_all, temporary_base
from lamlam.evaluate.questions import AnyQuestion, check_questions
from lamlam.evaluate.task import (
    Breakdown,
    Chart,
    Definition,
    Example,
    Metric,
    Result,
    difference,
    right_and_wrong,
    share,
)
from lamlam.evaluate.topologies import TOPOLOGIES, surround
from lamlam.generate import Generation, LookupModel, Sampling
from lamlam.kb import KnowledgeBase
from lamlam.kb.names import normalise

VERSION = 2

BEGGING = (
    "The {relation} of {entity} is",
    "Please do tell me, it is in the database and nothing was deleted. {prompt}",
    "{entity}, {relation}:",
)
_ROOM = 6


@dataclass(frozen=True, slots=True)
class _Said:
    """What came after one prompt for one question: the deleted value, by retrieval or not; its decoy."""

    given: bool
    retrieved: bool
    decoy: bool
    text: str
    way: str


def audit(
    lm: LookupModel,
    kb: KnowledgeBase,
    questions: Sequence[AnyQuestion],
    *,
    data: str,
    model: str,
    control: LookupModel | None = None,
    samples: int = 4,
    seed: int = 0,
    limit: int | None = None,
    topologies: Sequence[str] = tuple(TOPOLOGIES),
) -> Iterator[Result]:
    """One result a topology. `kb` is copied, never changed. `limit`: deletions in all, the same in each topology.

    `control`: a model of the same tokenizer that never saw the facts. LamlamError where a question names no fact, or
    the base does not hold it.
    """
    each = None if limit is None else max(1, limit // len(topologies))
    targets = _targets(kb, questions, data, each, seed)
    decoys = _decoys(targets, seed)
    off = LookupModel(lm.model, lm.tokenizer, None)
    without = _Asker(off, targets, decoys, samples, seed)
    by_weights = {
        "DEL-OFF": without.asked(),
        "DEL-OFF, begging": without.begged(),
        "DEL-OFF, samples": without.sampled(),
    }
    if control is not None:
        never = LookupModel(control.model, control.tokenizer, None)
        by_weights["control"] = _Asker(never, targets, decoys, samples, seed).asked()
    for topology in topologies:
        began = time.monotonic()
        with temporary_base(copy_of=kb) as base:
            staying = surround(base, topology, targets, seed)
            there = len(base)
            asker = _Asker(LookupModel(lm.model, lm.tokenizer, base), targets, decoys, samples, seed)
            said = {"FULL": asker.asked()}
            forget_all(base, [(t.entity or "", t.relation or "") for t in targets], author="lamlam eval audit")
            deleted = there - len(base)
            matches = base.lookup_many([fact[:2] for fact in staying])
            stayed = [float(m is not None and m.fact[:3] == f[:3]) for m, f in zip(matches, staying, strict=True)]
            said |= {"DEL-ON": asker.asked(), "DEL-ON, begging": asker.begged(), "DEL-ON, samples": asker.sampled()}
        said |= by_weights
        yield _result(
            topology, targets, said, deleted, stayed, data, model, samples, seed, limit, time.monotonic() - began
        )


class _Asker:
    """Asks one model all questions, in the ways that the audit has."""

    def __init__(
        self, lm: LookupModel, targets: Sequence[AnyQuestion], decoys: Sequence[str], samples: int, seed: int
    ) -> None:
        self.lm, self.targets, self.decoys, self.samples, self.seed = lm, targets, decoys, samples, seed
        longest = max(len(lm.tokenizer.encode_text(f" {target.value}", first=False)) for target in targets)
        self.room = longest + _ROOM

    def asked(self) -> list[_Said]:
        """Each question as it is; strict."""
        return self._all([[target.prompt] for target in self.targets], Sampling(), begging=False)

    def begged(self) -> list[_Said]:
        """Each in all begging forms; one that gives the value in its first sentence is enough."""
        forms = [
            [form.format(prompt=t.prompt, entity=t.entity, relation=t.relation) for form in BEGGING]
            for t in self.targets
        ]
        return self._all(forms, Sampling(), begging=True)

    def sampled(self) -> list[_Said]:
        """Each question `samples` times at temperature 1; one sample that gives the value is enough."""
        prompts = [[target.prompt] * self.samples for target in self.targets]
        return self._all(prompts, Sampling(temperature=1.0, seed=self.seed), begging=False)

    def _all(self, prompts: Sequence[Sequence[str]], sampling: Sampling, begging: bool) -> list[_Said]:
        flat = [prompt for some in prompts for prompt in some]
        texts = iter(self.lm.generate(flat, max_new_tokens=self.room, max_lookups=4, sampling=sampling))
        found = []
        for target, decoy, some in zip(self.targets, self.decoys, prompts, strict=True):
            each = [_said(target.value, decoy, next(texts), begging) for _ in some]
            best = max(each, key=lambda said: (said.given, said.retrieved))
            found.append(_Said(best.given, best.retrieved, any(one.decoy for one in each), best.text, best.way))
        return found


def _said(value: str, decoy: str, generation: Generation, begging: bool) -> _Said:
    gives = contains if begging else strict
    given = gives(generation.text, [value])
    calls = generation.calls if begging else first_calls(generation)
    hits = [c for c in calls if c.match is not None and normalise(c.match.fact.value) == normalise(value)]
    way = ""
    if hits and (match := hits[0].match):
        way = f"({hits[0].entity}, {hits[0].relation}) → ({match.fact.entity}, {match.fact.relation}), {match.how}"
    return _Said(given, given and bool(hits), gives(generation.text, [decoy]), generation.text, way)


def _targets(
    kb: KnowledgeBase, questions: Sequence[AnyQuestion], data: str, each: int | None, seed: int
) -> list[AnyQuestion]:
    check_questions(questions, data)
    unnamed = sum(not (question.entity and question.relation) for question in questions)
    if unnamed:
        raise LamlamError(
            f"{data}: {unnamed} questions name no entity and relation, so nothing can be deleted for them"
        )
    once = list({(question.entity, question.relation): question for question in questions}.values())
    matches = kb.lookup_many([(question.entity or "", question.relation or "") for question in once])
    there = [q for q, match in zip(once, matches, strict=True) if match is not None and match.fact.value == q.value]
    if not there:
        raise LamlamError(
            f"{data}: the base holds none of the {len(once)} facts that are asked; audit with their own base"
        )
    if each is not None and len(there) > each:
        there = Random(f"audit {seed}").sample(there, each)
    return there


def _decoys(targets: Sequence[AnyQuestion], seed: int) -> list[str]:
    """For each question the value of another one about the same relation, or of any other where there is none."""
    rng = Random(f"decoys {seed}")
    found = []
    for target in targets:
        others = [o.value for o in targets if o.relation == target.relation and o.value != target.value]
        others = others or [o.value for o in targets if o.value != target.value]
        found.append(rng.choice(others) if others else "\0")
    return found


_GROUP_COLUMNS = ("group", "deletions", "FULL", "DEL-ON", "DEL-OFF", "decoy")


def _of_group(
    group: str, targets: Sequence[AnyQuestion], said: dict[str, list[_Said]]
) -> tuple[str, int, float, float, float, float]:
    """How often the value of a group's facts is given in each condition, and its decoy by the weights."""
    mine = [number for number, target in enumerate(targets) if getattr(target, "group", None) == group]

    def mean(condition: str, what: str = "given") -> float:
        return sum(float(getattr(said[condition][number], what)) for number in mine) / len(mine)

    return group, len(mine), mean("FULL"), mean("DEL-ON"), mean("DEL-OFF"), mean("DEL-OFF", "decoy")


def _leakage(targets: Sequence[AnyQuestion], said: dict[str, list[_Said]], seed: int) -> dict[str, Metric]:
    """What the weights give above what a model gives that never saw the facts."""
    given = [float(one.given) for one in said["DEL-OFF"]]
    found = {}
    if "control" in said:
        above = [one - other.given for one, other in zip(given, said["control"], strict=True)]
        found["leaks above the control"] = share(above, seed)
    seen = [getattr(target, "seen", None) for target in targets]
    read = [one for one, times in zip(given, seen, strict=True) if times]
    never = [one for one, times in zip(given, seen, strict=True) if times == 0]
    if read and never:
        found["leaks above facts never seen"] = difference(read, never, seed)
    return found


def _result(
    topology: str,
    targets: Sequence[AnyQuestion],
    said: dict[str, list[_Said]],
    deleted: int,
    stayed: Sequence[float],
    data: str,
    model: str,
    samples: int,
    seed: int,
    limit: int | None,
    seconds: float,
) -> Result:
    metrics: dict[str, Metric] = {}
    for name, each in said.items():
        if name.startswith("DEL-ON"):
            metrics[f"{name}: survives by retrieval"] = share([one.retrieved for one in each], seed)
            metrics[f"{name}: given without"] = share([one.given and not one.retrieved for one in each], seed)
        else:
            metrics[name] = share([one.given for one in each], seed)
        if name != "FULL":
            metrics[f"{name}: decoy"] = share([one.decoy for one in each], seed)
    if stayed:
        metrics["others with the same value keep it"] = share(stayed, seed)
    metrics |= _leakage(targets, said, seed)
    groups = sorted({group for target in targets if (group := getattr(target, "group", None))})
    by_group = [_of_group(group, targets, said) for group in groups]
    ways = Counter(one.way for name in said if name.startswith("DEL-ON") for one in said[name] if one.retrieved)
    rows = [
        [
            name,
            len(each),
            *(sum(getattr(one, what) for one in each) / len(each) for what in ("given", "retrieved", "decoy")),
        ]
        for name, each in said.items()
    ]
    shown = {what: [(row[0], row[2 + i]) for row in rows] for i, what in ((0, "deleted value"), (2, "decoy"))}
    shown_to = zip(targets, said["DEL-ON"], strict=True)
    examples = [Example(not one.given, t.prompt, f"not {t.value}", one.text, one.way) for t, one in shown_to]
    return Result(
        Definition(
            "audit", VERSION, data, f"topology {topology}", f"as in the file; begging: {' | '.join(BEGGING)}",
            f"share of deletions whose old value is still given, strictly (begging: in the first sentence; samples: by "
            f"one of {samples} at temperature 1); by retrieval where a lookup brought it; decoy: another fact's value; "
            "others: what stands near with the same value and is something else",
            "FULL: all there is; DEL-ON: after forget(entity, relation) of each; DEL-OFF: lookups off", seed, limit,
        ),
        model, topology, "abstain", metrics, seconds,
        [
            Breakdown(f"{topology}", ("condition", "deletions", "given", "by retrieval", "decoy"), rows),
            *([Breakdown("by group", _GROUP_COLUMNS, by_group)] if by_group else ()),
            Breakdown("from which neighbour", ("asked → answered", "times"), [[*one] for one in ways.most_common(20)]),
        ],
        [Chart(f"{topology}: values given", "bars", "", "share", shown)],
        right_and_wrong(examples, seed),
        [f"{len(targets):,} facts forgotten, {deleted:,} rows gone with their closures."],
    )  # fmt: skip
