"""The base against a slow, obvious reference: dictionaries, and a rule for what may be answered."""

from collections import defaultdict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from lamlam.errors import LamlamError
from lamlam.kb import Fact
from lamlam.kb.names import normalise, unusable

TEXT = st.text(st.characters(), max_size=12) | st.sampled_from(["%", "_", "a b", "A_b", "\0", "\ud800", "", "The x"])
USABLE = TEXT.filter(lambda text: unusable(text) is None)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(USABLE, USABLE, USABLE), max_size=15), st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_every_fact_is_found_and_nothing_that_nobody_said(lend, triples, queries):
    said = defaultdict(set)
    for entity, relation, value in triples:
        said[entity, relation].add(value)
    with lend() as (kb, _):
        assert kb.add(Fact(*triple) for triple in triples) == len(set(triples))
        assert {(fact.entity, fact.relation, fact.value) for fact in kb} == set(triples)
        for (entity, relation), values in said.items():
            assert [match.fact.value for match in kb.lookup(entity, relation, k=99)] == sorted(values)
        for entity, relation in queries:
            match = kb.lookup(entity, relation)
            if (entity, relation) not in said and match is not None:
                assert match.score < 1
                assert match.fact.value in said[match.fact.entity, match.fact.relation]
        assert kb.check() == []


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.tuples(st.sampled_from("ab"), st.sampled_from("rs"), st.sampled_from("xyz")),
            st.sampled_from([None, "one", "two"]),
            st.sampled_from([None, 0.5]),
            st.sampled_from([0, 0, 1]),
        ),
        max_size=12,
    )
)
def test_many_at_once_are_answered_as_each_alone(lend, said):
    keys = [(entity, relation) for entity in "abc" for relation in "rst"] * 3
    with lend() as (kb, _):
        kb.add(Fact(*triple, source=source, confidence=sure, rank=rank) for triple, source, sure, rank in said)
        assert kb.lookup_many(keys) == [kb.lookup(*key) for key in keys]
        for key in keys:
            assert [kb.lookup(*key)] == (kb.lookup(*key, k=9) or [None])[:1]


ENTITIES = ["Ada Lovelace", "ADA LOVELACE", "Ada Lovelacce", "Alan Turing", "Apollo 11", "Apollo 12"]
RELATIONS = ["Birth Date", "birth_date", "Birth Place", "Birth Dates"]
VALUES = [f"value-{number}-{'xyzw'[number]}" for number in range(4)]
KEYS = st.tuples(st.sampled_from(ENTITIES), st.sampled_from(RELATIONS))
ALIKE = {"ada lovelace": "ada lovelacce", "birth date": "birth dates"}
ALIKE |= {other: one for one, other in ALIKE.items()}
"""Normalised names that are taken for each other."""


class Base(RuleBasedStateMachine):
    """Facts and former facts as sets of triples, forgotten keys as a set of normalised tuples."""

    def __init__(self, lend):
        super().__init__()
        self.lent = lend()
        self.kb, self.raw = self.lent.__enter__()
        self.live, self.past, self.forgotten = set(), set(), set()

    def teardown(self):
        assert self.kb.check() == []
        self.lent.__exit__(None, None, None)

    def is_forgotten(self, *triple):
        parts = tuple(normalise(part) for part in triple)
        return any(parts[:length] in self.forgotten for length in range(1, len(parts) + 1))

    @rule(key=KEYS, value=st.sampled_from(VALUES))
    def add(self, key, value):
        triple = (*key, value)
        added = self.kb.add([Fact(*triple)])
        if self.is_forgotten(*triple):
            assert (added, added.refused) == (0, 1)
        else:
            assert (added, added.known) == ((0, 1) if triple in self.live else (1, 0))
            self.live.add(triple)

    @rule(key=KEYS, value=st.sampled_from(VALUES))
    def set(self, key, value):
        entity = written(key[0], {triple[0] for triple in self.live | self.past})
        relation = written(key[1], {triple[1] for triple in self.live if triple[0] == entity})
        if entity is None or relation is None:
            return  # either of two spellings may be meant
        whole, _, value_key = (tuple(map(normalise, (entity, relation, value)))[:length] for length in (1, 2, 3))
        try:
            changed = self.kb.set(*key, value)
        except LamlamError:
            assert {whole, value_key} & self.forgotten
            return
        assert not {whole, value_key} & self.forgotten
        there = {triple for triple in self.live if triple[:2] == (entity, relation)}
        assert changed == (there != {(entity, relation, value)})
        if changed:
            self.past |= there
            self.live = self.live - there | {(entity, relation, value)}

    @rule(key=KEYS, value=st.none() | st.sampled_from(VALUES), whole=st.booleans())
    def forget(self, key, value, whole):
        entity, relation = normalise(key[0]), normalise(key[1])
        names, relations = self.closure(entity, None if whole else relation)
        gone = {
            triple
            for triple in self.live | self.past
            if normalise(triple[0]) in names
            and (whole or (normalise(triple[1]) in relations and value in (None, triple[2])))
        }
        arguments = key[:1] if whole else (*key, value)
        try:
            told = self.kb.forget(*arguments)
        except LamlamError:
            assert not gone
            return
        assert {(fact.entity, fact.relation, fact.value) for fact in told.facts} == gone & self.live
        self.live, self.past = self.live - gone, self.past - gone
        self.forgotten |= {(name, normalise(one), normalise(value)) for name in names for _, one, value in gone}
        if whole:
            self.forgotten |= {(name,) for name in names}
        elif value is None:
            self.forgotten |= {(name, relation) for name in names for relation in relations}
        left = self.live | self.past
        raw = self.raw()
        for column, names in enumerate((ENTITIES, RELATIONS, VALUES)):
            used = {triple[column] for triple in left}
            for name in names:
                if not any(name in other for other in used):
                    assert name.encode() not in raw
        for entity in ENTITIES:  # now is when a neighbour would be offered
            for relation in RELATIONS:
                self.answer_is_right((entity, relation))

    def closure(self, entity, relation):
        """The normalised names and relations that go with (entity, relation), or with a whole entity."""

        def said(name, relation, triples):
            return {triple[2] for triple in triples if (normalise(triple[0]), normalise(triple[1])) == (name, relation)}

        ever, every = self.live | self.past, {normalise(relation) for relation in RELATIONS}
        other = ALIKE.get(relation)
        relations = {relation}
        if other and said(entity, other, ever) and said(entity, other, ever) <= said(entity, relation, ever):
            relations.add(other)
        twin = ALIKE.get(entity)
        repeats = bool(twin)
        asked = every if relation is None else relations
        for one in every:
            theirs, ours = said(twin, one, self.live), said(entity, one, ever)
            if one in asked:
                meant = ours if relation is None else set().union(*(said(entity, same, ever) for same in relations))
                repeats &= theirs <= meant
            else:
                repeats &= not theirs or not ours or bool(theirs & ours)
        repeats &= any(said(twin, one, self.live) for one in asked)
        return {entity} | ({twin} if repeats else set()), relations

    @rule(key=KEYS)
    def lookup(self, key):
        self.answer_is_right(key)

    def answer_is_right(self, key):
        values = {triple[2] for triple in self.live if triple[:2] == key}
        match = self.kb.lookup(*key)
        if values:
            assert (match.fact.value, match.score) == (min(values), 1.0)
        elif match is not None:
            fact = match.fact
            assert (fact.entity, fact.relation, fact.value) in self.live
            assert match.score < 1
            same = [triple for triple in self.live if tuple(map(normalise, triple[:2])) == tuple(map(normalise, key))]
            # Another spelling may answer for a key that was forgotten and then set anew; a neighbour may not.
            assert same or not self.is_forgotten(*key)
            assert "Apollo" not in key[0] or fact.entity == key[0]

    @rule(entity=st.sampled_from(ENTITIES))
    def history(self, entity):
        if any(triple[0] == entity for triple in self.live | self.past):
            told = self.kb.history(entity)
            mentioned = {(c.relation, value) for c in told for value in (c.old, c.new) if value is not None}
            assert mentioned == {triple[1:] for triple in self.live | self.past if triple[0] == entity}

    @invariant()
    def same_facts(self):
        assert {(fact.entity, fact.relation, fact.value) for fact in self.kb} == self.live
        assert len(self.kb) == len(self.live)


def written(name, there):
    """The spelling that is there; `name` itself where none is, None where several are."""
    if name in there:
        return name
    same = {other for other in there if normalise(other) == normalise(name)}
    same_case = {other for other in same if other.casefold() == name.casefold()}
    if len(same) > 1 and len(same_case) != 1:
        return None
    return next(iter(same_case or same), name)


def test_whatever_is_done_to_a_base_it_says_what_the_reference_says(store, lend):
    examples = 25 if store == "sqlite" else 5  # each forgetting writes PostgreSQL's tables anew
    run_state_machine_as_test(
        lambda: Base(lend), settings=settings(max_examples=examples, stateful_step_count=25, deadline=None)
    )
