import re
from collections import Counter, defaultdict

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from lamlam.demo.biography import biography_prompt, documents, value_slots
from lamlam.demo.templates import OPENINGS, SENTENCES
from lamlam.demo.world import RELATIONS, World, make_world
from lamlam.text import Document, find_mention, parse, render


def test_every_relation_has_several_sentences_that_begin_with_their_subject():
    assert SENTENCES.keys() == RELATIONS.keys()
    for kind, relations in RELATIONS.items():
        assert SENTENCES[kind].keys() == set(relations)
        for relation, sentences in SENTENCES[kind].items():
            assert len(set(sentences)) == len(sentences) >= 4
            for sentence in sentences:
                assert re.match(r"\{[SP]\} [^{}]*\{", sentence), sentence
                assert value_slots(sentence)[0] == relation, sentence
    assert len(OPENINGS) >= 4


def test_the_words_before_a_first_value_are_never_followed_by_other_words():
    for relations in SENTENCES.values():
        starts = {
            (sentence[: sentence.index("{", 3)], relation)
            for relation, sentences in relations.items()
            for sentence in sentences
        }
        for start, relation in starts:
            for other, other_relation in starts:
                assert not other.startswith(start) or (other, other_relation) == (start, relation)


def test_calls_are_true_and_stand_right_before_the_first_mention_of_their_value(world: World, told: list[Document]):
    for document in told:
        assert document.calls
        for call in document.calls:
            entity, relation, value = call.lookup
            assert world.value(entity, relation) == value
            assert call.span == (call.at, call.at + len(value))
            assert find_mention(document.text, 0, value) == call.span
            assert find_mention(document.text, 0, entity)[1] <= call.at, "the entity is named before it is asked for"
        assert len({call.lookup.value for call in document.calls}) == len(document.calls) <= 4
        assert parse(render(document), id=document.id).calls == document.calls


def test_every_mention_of_a_value_has_its_call(world: World, told: list[Document]):
    """Whatever else the text says of the entity's own facts would be known without a call."""
    for document in told:
        called = {call.lookup.value for call in document.calls}
        for _, _, value in world.facts([document.meta["title"]]):
            assert value in called or find_mention(document.text, 0, value) is None, (document.text, value)


def test_each_copy_states_every_fact_about_every_entity_of_the_training_text(world: World, told: list[Document]):
    stated: dict[str, set] = defaultdict(set)
    for document in told:
        copy = document.id.split(".")[1]
        stated[copy] |= {call.lookup for call in document.calls}
    assert stated.keys() == {"0", "1"}
    assert all(facts >= set(world.facts(world.trained)) for facts in stated.values())


def test_no_training_document_knows_of_the_unseen_people(world: World, told: list[Document]):
    text = "\n".join(document.text for document in told)
    asked = {call.lookup.entity for document in told for call in document.calls}
    for person in world.unseen:
        book = world.value(person.name, "Notable Work")
        assert person.name not in text
        assert not re.search(rf"\b{book}\b", text)
        assert not asked & {person.name, book}


def test_copies_use_other_words_and_orders(world: World, told: list[Document]):
    texts = Counter(document.text for document in told if document.meta["kind"] == "person")
    assert sum(count - 1 for count in texts.values()) < 0.01 * len(texts)
    assert len({document.id for document in told}) == len(told)
    assert {document.id for document in documents(world, 5, 1)} < {document.id for document in told}


def test_a_biography_uses_the_full_name_once_and_then_the_right_pronoun_or_the_family_name(
    world: World, told: list[Document]
):
    later = Counter()
    for document in told:
        if document.meta["kind"] != "person":
            continue
        name = document.meta["title"]
        wrong = {"She": "He", "He": "She"}[world.pronouns[name]]
        assert document.text.count(name) == 1
        assert name in document.text.split(". ")[0]
        assert not re.search(rf"\b({wrong}|{ {'He': 'His', 'She': 'Her'}[wrong] })\b", document.text)
        for sentence in document.text.split(". ")[1:]:
            later[sentence.split()[0].removesuffix("'s") == name.split()[-1]] += 1
    assert 0.3 < later[True] / later.total() < 0.5


def test_texts_read_like_english(told: list[Document]):
    for document in told:
        assert re.fullmatch(r"[A-Z][A-Za-z0-9 ,.'-]*\.", document.text), document.text
        assert not re.search(r"  |\.\.| ,| \.|\ba [AEIOU]|[Tt]he [Tt]he\b", document.text), document.text


def test_documents_fit_a_short_window_and_new_names_are_spelt_in_familiar_pieces():
    world = make_world(0, people=1000, unseen=200)
    told = documents(world, 0, 1)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        (document.text for document in told),
        trainers.BpeTrainer(vocab_size=2044, show_progress=False, initial_alphabet=alphabet),
    )
    tokenizer.add_special_tokens(["<|db_entity|>", "<|db_relationship|>", "<|db_return|>", "<|db_end|>"])
    lengths = [len(tokenizer.encode(render(document, "tokens")).ids) for document in told]
    assert sum(length > 128 for length in lengths) < 0.01 * len(lengths)
    familiar = Counter(token for document in told for token in set(tokenizer.encode(document.text).ids))
    spelt = [tokenizer.encode(f" {person.name}").ids for person in world.unseen]
    assert sum(len(ids) for ids in spelt) < 7 * len(spelt)
    assert sum(min(familiar[token] for token in ids) < 5 for ids in spelt) < 0.05 * len(spelt)


def test_the_prompt_of_a_biography_names_the_person(world: World):
    person = world.unseen[0]
    assert biography_prompt(person.name).startswith(f"{person.name} ")
    assert not biography_prompt(person.name).endswith(" ")
