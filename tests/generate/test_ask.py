"""Whether a model asks at all: always, never, or as decided for each prompt."""

import pytest

from lamlam.errors import LamlamError
from lamlam.generate import LookupModel
from tests.generate.conftest import HashBase

PROMPTS = ["Ada Lovelace was born", "London. She", "in", "10 December"]


class OnlyLong:
    """Lets prompts ask that have more than two tokens; keeps what it was given."""

    def __init__(self) -> None:
        self.prompts: list[list[int]] = []

    def asks(self, model, tokenizer, prompts):
        self.prompts += map(list, prompts)
        return [len(prompt) > 2 for prompt in prompts]


def test_each_prompt_asks_as_was_decided_for_it(models, tokenizer):
    lm = LookupModel(models[0], tokenizer, HashBase())
    always = lm.generate(PROMPTS, max_new_tokens=16)
    assert [one.text for one in lm.generate(PROMPTS, max_new_tokens=16, ask="always")] == [one.text for one in always]
    assert sum(len(one.calls) for one in always) >= 2
    never = lm.generate(PROMPTS, max_new_tokens=16, ask="never")
    assert all(not one.calls for one in never)
    decides = OnlyLong()
    mixed = lm.generate(PROMPTS, max_new_tokens=16, ask=decides)
    assert decides.prompts == [tokenizer.encode_text(prompt) for prompt in PROMPTS]
    wanted = [yes if len(ids) > 2 else no for yes, no, ids in zip(always, never, decides.prompts, strict=True)]
    assert [(one.text, len(one.calls)) for one in mixed] == [(one.text, len(one.calls)) for one in wanted]
    (*_, last) = lm.stream(PROMPTS[0], max_new_tokens=16, ask="never")
    assert last.text == never[0].text
    assert lm.generate([], ask=decides) == []


def test_what_is_no_way_to_decide_is_refused(models, tokenizer):
    with pytest.raises(LamlamError, match="choose always, never"):
        LookupModel(models[0], tokenizer, HashBase()).generate(["Ada"], ask="sometimes")
