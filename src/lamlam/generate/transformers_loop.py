"""Lookups within `model.generate` of transformers, for people who load a checkpoint the plain way.

    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    out = model.generate(**tokenizer("Ada was born on", return_tensors="pt"), custom_generate=lookup_generate, kb=kb)
    tokenizer.batch_decode(out, skip_special_tokens=True)

What comes back is what `generate` gives: the prompt and the text after it as token ids, without calls. With
`return_dict_in_generate=True` it also has `generations`, with citations. `CUSTOM_GENERATE` is the same as a folder that
transformers loads by its path, with `trust_remote_code=True`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.generation import LogitsProcessorList, StoppingCriteriaList
from transformers.utils import ModelOutput

from lamlam.errors import LamlamError
from lamlam.generate.lookup_model import LookupModel
from lamlam.generate.policy import Policy, PolicyName, named_policy
from lamlam.generate.prose import Generation, generation
from lamlam.generate.request import Base, Request
from lamlam.generate.row import Row
from lamlam.generate.sampling import Sampling
from lamlam.model import LookupTokenizer

CUSTOM_GENERATE = str(Path(__file__).with_name("for_transformers"))
"""The folder to name as `custom_generate`."""

_CARRIED_OVER = {
    "TemperatureLogitsWarper",
    "TopKLogitsWarper",
    "TopPLogitsWarper",
    "MinPLogitsWarper",
    "RepetitionPenaltyLogitsProcessor",
    "MaxLengthCriteria",
    "EosTokenCriteria",
}
"""What transformers makes of settings that a `Sampling` and a row have too."""


@dataclass
class LookupOutput(ModelOutput):  # type: ignore[misc]
    """`sequences`: int64[rows, longest], prompts and text, padded on the right; `generations`: one a row."""

    sequences: torch.Tensor | None = None
    generations: list[Generation] | None = None


def lookup_generate(
    model: Any,
    input_ids: torch.Tensor,
    logits_processor: LogitsProcessorList | None = None,
    stopping_criteria: StoppingCriteriaList | None = None,
    generation_config: Any = None,
    kb: Base | None = None,
    lookup_tokenizer: Any = None,
    policy: PolicyName | Policy = "abstain",
    max_lookups: int = 64,
    constrained: bool = False,
    query_beams: int = 1,
    stop: str | Sequence[str] = (),
    **model_kwargs: Any,
) -> torch.Tensor | LookupOutput:
    """The decoding loop, to be given to `model.generate` as `custom_generate`; without `kb`, lookups are off.

    `max_new_tokens`, `do_sample`, `temperature`, `top_k`, `top_p`, `min_p`, `repetition_penalty` and
    `num_return_sequences` mean what they mean to transformers, but that calls are not counted; `policy`, `max_lookups`,
    `constrained` and `stop` what they mean to `LookupModel.generate`, and `query_beams` what `beams` means there.
    `lookup_tokenizer` is needed where the model was not loaded from the folder that its tokenizer lies in. LamlamError
    for settings that this loop does not have. To a `streamer`, which transformers does not hand on to such a loop, only
    the prompt comes.
    """
    _refuse(generation_config, logits_processor, stopping_criteria)
    lm = _lookup_model(model, lookup_tokenizer, kb)
    seen = model_kwargs.get("attention_mask")
    prompts = [(row if seen is None else row[seen[number].bool()]).tolist() for number, row in enumerate(input_ids)]
    room = int(generation_config.max_length) - input_ids.shape[1]
    prompts = [_without_start(prompt, lm.tokenizer) for prompt in prompts]
    rows = [lm.row(prompt, room, max_lookups, stop) for prompt in prompts]
    sampling = _sampling(generation_config)
    chosen = named_policy(policy, kb)
    requests = [Request(row, chosen, sampling, sampling.seed + number) for number, row in enumerate(rows)]
    engine = lm.engine(max(1, len(requests)), constrained, query_beams)
    for request in requests:
        engine.add(request)
    try:
        while any(request.row.finish is None for request in requests):
            engine.step()
    finally:
        for request in requests:
            engine.cancel(request)
    for request in requests:
        if request.error is not None:
            raise request.error
    texts = [lm.tokenizer.decode(prompt) for prompt in prompts]
    generations = [generation(text, row) for text, row in zip(texts, rows, strict=True)]
    sequences = _sequences(input_ids, [_text_ids(row, one) for row, one in zip(rows, generations, strict=True)], lm)
    if generation_config.return_dict_in_generate:
        return LookupOutput(sequences=sequences, generations=generations)
    return sequences


def generate(model: Any, tokenizer: Any = None, **arguments: Any) -> torch.Tensor | LookupOutput:
    """`model.generate` with `lookup_generate` as its loop: what the folder `CUSTOM_GENERATE` has transformers run."""
    if arguments.get("streamer") is not None:
        raise LamlamError("a streamer cannot take tokens back, as lookups may have to; use LookupModel.stream")
    # Of the class: a model loaded together with such a folder has this very function in place of its method.
    result: torch.Tensor | LookupOutput = type(model).generate(
        model, custom_generate=lookup_generate, lookup_tokenizer=tokenizer, **arguments
    )
    return result


def _lookup_model(model: Any, tokenizer: Any, kb: Base | None) -> LookupModel:
    """The model with its tokenizer, kept on it for the next call, which needs the same memory."""
    kept: LookupModel | None = getattr(model, "_lookup_model", None)
    if kept is None or (tokenizer is not None and tokenizer is not kept.tokenizer.hf):
        if tokenizer is not None:
            its = LookupTokenizer(tokenizer)
        elif model.name_or_path:
            its = LookupTokenizer.load(model.name_or_path)
        else:
            raise LamlamError("the model was loaded from no folder; give its tokenizer as lookup_tokenizer=…")
        kept = model._lookup_model = LookupModel(model, its, kb)
    kept.kb = kb
    return kept


def _refuse(config: Any, processors: Any, criteria: Any) -> None:
    """Say so rather than leave out what was asked for."""
    if (config.num_beams or 1) > 1:
        raise LamlamError("text is not decoded with beams here, only queries are (query_beams); leave num_beams at 1")
    for one in (*(processors or ()), *(criteria or ())):
        if type(one).__name__ not in _CARRIED_OVER:
            raise LamlamError(f"{type(one).__name__} has no part in decoding with lookups; leave out what asks for it")


def _sampling(config: Any) -> Sampling:
    penalty = config.repetition_penalty or 1.0
    if not config.do_sample:
        return Sampling(repetition_penalty=penalty)
    seed = int(torch.randint(2**62, (1,)))  # so that `transformers.set_seed` decides
    temperature = 1.0 if config.temperature is None else config.temperature
    top_p = 1.0 if config.top_p is None else config.top_p
    return Sampling(temperature, config.top_k or None, top_p, seed, config.min_p or 0.0, penalty)


def _without_start(prompt: list[int], tokenizer: LookupTokenizer) -> list[int]:
    """The prompt without the start token, which every row begins with anyway."""
    return prompt[1:] if prompt[:1] == [tokenizer.start_id] else prompt


def _text_ids(row: Row, made: Generation) -> list[int]:
    """The tokens of the row's text, those of calls left out."""
    names = row.tokenizer
    if row.text_end is not None:  # a stop string may begin within a token
        return names.encode_text(made.text, first=False)
    stretches, start = [], row.prompt_length
    for record in row.calls:
        if record.length and record.position >= row.prompt_length:
            stretches.append(row.ids[start : record.position])
            start = record.position + record.length
    ids, *others = [*stretches, row.ids[start:]]
    for stretch in others:
        # One space stands before a call and one after it; the text has one of them.
        if (text := names.decode_piece(stretch)).startswith(" "):
            if ids and names.is_lone_space(ids[-1]):
                ids.pop()
            else:
                stretch = names.encode_text(text.removeprefix(" "), first=False)
        ids += stretch
    return [*ids, names.eos_id] if row.finish == "end" else ids


def _sequences(prompts: torch.Tensor, texts: list[list[int]], lm: LookupModel) -> torch.Tensor:
    padding = lm.tokenizer.hf.pad_token_id
    width = max(map(len, texts), default=0)
    after = torch.full((len(texts), width), lm.tokenizer.eos_id if padding is None else padding)
    for number, ids in enumerate(texts):
        after[number, : len(ids)] = torch.tensor(ids)
    return torch.cat([prompts, after.to(prompts.device)], dim=1)
