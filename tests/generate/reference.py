"""A slow, obvious decoder: one row, no cache, the whole text run again for every token."""

from dataclasses import dataclass, field

import torch

from lamlam.generate.decoder import Base, Policy
from lamlam.generate.row import MAX_QUERY_TOKENS, Asked
from lamlam.generate.sampling import Sampling
from lamlam.model import LookupTokenizer


@dataclass
class Reference:
    ids: list[int]
    outcomes: list[tuple[str, str, str]] = field(default_factory=list)
    finish: str = ""


@torch.inference_mode()
def reference_decode(
    model, tokenizer: LookupTokenizer, base: Base, prompt: list[int], policy: Policy, sampling: Sampling, row: int,
    max_new_tokens: int, max_lookups: int, window: int,
) -> Reference:  # fmt: skip
    entity_id, relation_id, return_id, end_id = tokenizer.lookup_ids
    generator = torch.Generator().manual_seed(sampling.seed + row)
    result = Reference([tokenizer.start_id, *prompt])
    ids = result.ids
    bans: dict[int, set[int]] = {}
    call: int | None = None  # where the open call starts
    relation_at: int | None = None
    after_calls: set[int] = set()
    written = 0

    def take_back(asked: tuple[str, str]) -> None:
        nonlocal call, relation_at, written
        assert call is not None
        result.outcomes.append((*asked, "abstained"))
        bans.setdefault(call, set()).add(entity_id)
        if call - 1 > len(prompt) and call - 1 not in after_calls and tokenizer.decode_piece([ids[call - 1]]) == " ":
            call, written = call - 1, written - 1
            bans.setdefault(call, set()).update({ids[call], entity_id})
        del ids[call:]
        call = relation_at = None

    def words(start: int, stop: int) -> str:
        return tokenizer.decode_piece(ids[start:stop]).removeprefix(" ")

    while True:
        if len(ids) >= window:
            if call is not None:
                del ids[call:]
            result.finish = "window"
            return result
        if call is None and written >= max_new_tokens:
            result.finish = "length"
            return result
        logits = model(torch.tensor([ids])).logits[:, -1]
        banned = set(range(len(tokenizer), logits.shape[1])) | bans.get(len(ids), set())
        if call is None:
            banned |= {relation_id, return_id, end_id}
            if len(result.outcomes) >= max_lookups:
                banned.add(entity_id)
        else:
            banned |= {entity_id, end_id, tokenizer.eos_id}
            banned |= {return_id} if relation_at is None else {relation_id}
        logits[0, sorted(banned)] = -torch.inf
        [token] = sampling.choose(logits, [generator])
        if call is None and token == tokenizer.eos_id:
            result.finish = "end"
            return result
        ids.append(token)
        if token == entity_id:
            call = len(ids) - 1
        elif token == relation_id:
            relation_at = len(ids) - 1
        elif token == return_id:
            asked = Asked(words(call + 1, relation_at), words(relation_at + 1, len(ids) - 1))
            [match] = base.lookup_many([(asked.entity, asked.relation)])
            value = policy(asked, match)
            answer = [] if value is None else tokenizer.encode_answer(value)
            if not answer or len(ids) + len(answer) >= window:
                take_back((asked.entity, asked.relation))
            else:
                result.outcomes.append((asked.entity, asked.relation, "answered" if match else "unknown"))
                ids += answer
                after_calls.add(len(ids))
                call = relation_at = None
        elif call is None:
            written += 1
        if call is not None and len(ids) - call > MAX_QUERY_TOKENS:
            stop = len(ids) if relation_at is None else relation_at
            take_back((words(call + 1, stop), words(stop + 1, len(ids))))
