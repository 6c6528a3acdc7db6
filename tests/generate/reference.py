"""A slow, obvious decoder: one row, no cache, the whole text run again for every token.

It shares nothing with the engine but the hash that draws random numbers, the types of the interface, and the limit of
a query's length.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from lamlam.generate import Asked, Policy, Retry, Sampling
from lamlam.generate import row as row_module
from lamlam.generate.sampling import uniform
from lamlam.kb import Match
from lamlam.model import LookupTokenizer


@dataclass
class Reference:
    ids: list[int]
    outcomes: list[tuple[str, str, str]] = field(default_factory=list)
    finish: str = ""
    text: str = ""
    stuck: int = 0  # calls that were taken back because no token was left


def choose(logits: list[float], sampling: Sampling, point: float) -> int:
    """The definitions, on numbers; −inf for what is banned."""
    if sampling.temperature == 0:
        return logits.index(max(logits))
    scaled = torch.tensor(logits, dtype=torch.float64) / sampling.temperature
    likely = torch.softmax(scaled, dim=0).tolist()
    kept = [share for share in likely if share >= sampling.min_p * max(likely)]
    if sampling.top_k:
        kth = sorted(likely, reverse=True)[min(sampling.top_k, len(likely)) - 1]
        kept = [share for share in kept if share >= kth]
        likely_k = [share if share >= kth else 0.0 for share in likely]
    else:
        likely_k = likely
    if sampling.top_p < 1:
        total, before = sum(likely_k), 0.0
        for share in sorted(likely_k, reverse=True):
            if before >= sampling.top_p * total:
                break
            last, before = share, before + share
        kept = [share for share in kept if share >= last]
    least = min(kept)
    likely = [share if share >= least else 0.0 for share in likely]
    target, total = point * sum(likely), 0.0
    for token, share in enumerate(likely):
        total += share
        if total > target:
            return token
    raise AssertionError("a share of nothing")


def best_query(model, tokenizer, ids, call, banned, refused, allowed, width, window):
    """The rest of the likeliest query that a beam finds: at every length the `width` best beginnings go on."""
    _, relation_id, return_id, _ = tokenizer.lookup_ids
    limit = min(call + row_module.MAX_QUERY_TOKENS, window - 3)
    beginnings, best = [(0.0, ())], (-math.inf, None)
    while beginnings:
        grown = []
        for score, tokens in beginnings:
            written = [*ids[call + 1 :], *tokens]
            likely = model(torch.tensor([[*ids, *tokens]])).logits[0, -1].log_softmax(dim=-1).tolist()
            for token in allowed(written):
                if token == return_id:
                    middle = written.index(relation_id)
                    parts = written[:middle], written[middle + 1 :]
                    if tuple(tokenizer.decode_piece(part).removeprefix(" ") for part in parts) in refused:
                        continue
                if tokens or token not in banned:
                    grown.append((score + likely[token], (*tokens, token)))
        grown.sort(key=lambda one: (-one[0], one[1]))
        best = max([best, *(one for one in grown[:width] if one[1][-1] == return_id)], key=lambda one: one[0])
        beginnings = []
        for score, tokens in grown[:width]:
            written = [*ids[call + 1 :], *tokens]
            to_close = 3 if relation_id not in written else 2 if written[-1] == relation_id else 1
            if tokens[-1] != return_id and len(ids) + len(tokens) + to_close <= limit:
                beginnings.append((score, tokens))
    return best[1]


def point(seed: int, draw: int) -> float:
    return float(uniform(np.array([seed], np.uint64), np.array([draw], np.uint64))[0])


@torch.inference_mode()
def reference_decode(
    model, tokenizer: LookupTokenizer, base, prompt: list[int], policy: Policy, sampling: Sampling, seed: int,
    max_new_tokens: int, max_lookups: int, window: int, stop=(), allowed=None, beams=1,
) -> Reference:  # fmt: skip
    """`allowed`: of the tokens of a query so far, the tokens that may come next."""
    entity_id, relation_id, return_id, end_id = tokenizer.lookup_ids
    eos_id = tokenizer.eos_id
    result = Reference([tokenizer.start_id, *prompt])
    ids = result.ids
    kinds = ["prompt"] * len(ids)  # of each token: prompt, text, call
    bans: dict[int, set[int]] = {}
    refused: set[tuple[str, str]] = set()
    call = relation_at = None  # where the open call and its relation start
    tries = draws = 0

    def words(start, stop):
        return tokenizer.decode_piece(ids[start:stop]).removeprefix(" ")

    def asks(end):
        middle = end if relation_at is None else relation_at - 1
        return words(call + 1, middle), words(middle + 1, end)

    def cut(length, banned):
        del ids[length:], kinds[length:]
        for place in [place for place in bans if place > length]:
            del bans[place]
        bans.setdefault(length, set()).update(banned)

    def take_back(recorded=True):
        nonlocal call, relation_at
        if recorded:
            result.outcomes.append((*asks(len(ids) - (ids[-1] == return_id)), "abstained"))
        keep, banned = call, {entity_id}
        if kinds[call - 1] == "text" and kinds[call - 2] != "call" and tokenizer.decode_piece([ids[call - 1]]) == " ":
            keep, banned = call - 1, {entity_id, ids[call - 1]}
        cut(keep, banned)
        call = relation_at = None

    def text():
        parts, tokens, after_call = [], [], False
        for token, kind in [*zip(ids, kinds, strict=True), (None, "call")]:
            if kind == "text":
                tokens.append(token)
            elif kind == "call":
                piece = tokenizer.decode_piece(tokens)
                parts.append(piece.removeprefix(" ") if after_call else piece)
                tokens, after_call = [], True
        return "".join(parts)

    def ends(finish, length=None):
        if call is not None:
            del ids[call:], kinds[call:]
        result.finish, result.text = finish, text()[:length]
        return result

    if call is None and any(token in tokenizer.lookup_ids for token in prompt):
        call = max((i for i, token in enumerate(ids) if token == entity_id), default=None)
        if end_id in ids[call:]:
            call = None
        elif relation_id in ids[call:]:
            relation_at = ids.index(relation_id, call) + 1
        last = max((i for i, token in enumerate(ids) if token == end_id), default=-1)
        kinds[: last + 1] = ["prompt"] * (last + 1)
        if call is not None:
            kinds[call:] = ["call"] * (len(ids) - call)
            if max_lookups < 1:
                take_back(recorded=False)

    if max_new_tokens < 1:
        return ends("length")
    asking = call is not None and ids[-1] == return_id
    while True:
        if asking:
            asking = False
            query = asks(len(ids) - 1)
            if not query[0].strip() or not query[1].strip() or query in refused:
                take_back(recorded=False)
                continue
            asked = Asked(*query, tries)
            [match] = base.lookup_many([query])
            verdict = policy(asked, match)
            if isinstance(verdict, Retry):
                refused.add(query)
                result.outcomes.append((*query, "retried"))
                tries += 1
                back = call + 1 if verdict.entity else relation_at
                cut(back, {ids[back]})
                relation_at = None if verdict.entity else relation_at
                if len(result.outcomes) >= max_lookups:
                    take_back(recorded=False)
                continue
            if isinstance(verdict, Match):
                match, verdict = verdict, verdict.fact.value
            answer = tokenizer.encode_answer(verdict) if verdict else []
            if not answer or len(ids) + len(answer) >= window:
                refused.add(query)
                take_back()
                continue
            result.outcomes.append((*query, "answered" if match else "unknown"))
            ids += answer
            kinds[call:] = ["call"] * (len(ids) - call)
            call = relation_at = None
            continue
        if call is not None:
            starts = len(ids) == (call + 1 if relation_at is None else relation_at)
            still = (3 if relation_at is None else 1) + starts
            if len(ids) + still > min(call + row_module.MAX_QUERY_TOKENS, window - 3):
                take_back()
                continue
        if call is not None and beams > 1:
            query = best_query(model, tokenizer, ids, call, bans.get(len(ids), ()), refused, allowed, beams, window)
            if query is None:
                result.stuck += 1
                take_back()
                continue
            ids += query
            kinds += ["call"] * len(query)
            relation_at = ids.index(relation_id, call) + 1
            asking = True
            continue
        logits = model(torch.tensor([ids])).logits[0, -1].tolist()
        banned = set(range(len(tokenizer), len(logits))) | bans.get(len(ids), set())
        if call is None:
            banned |= {relation_id, return_id, end_id} | ({tokenizer.start_id} - {eos_id})
            if len(result.outcomes) >= max_lookups or len(ids) + 8 > window:
                banned.add(entity_id)
            if sampling.repetition_penalty != 1:
                for token in {token for token, kind in zip(ids, kinds, strict=True) if kind != "call"} - {ids[0]}:
                    logits[token] *= sampling.repetition_penalty ** (-1 if logits[token] > 0 else 1)
        else:
            banned |= {entity_id, end_id, eos_id, tokenizer.start_id}
            banned |= {return_id} if relation_at is None else {relation_id}
            if starts:
                banned |= {relation_id, return_id}
            if allowed is not None:
                if relation_at is not None and not starts and asks(len(ids)) in refused:
                    banned.add(return_id)
                banned |= set(range(len(logits))) - set(allowed(ids[call + 1 :]))
                if len(banned) == len(logits):
                    result.stuck += 1
                    take_back()
                    continue
        for token in banned:
            logits[token] = -torch.inf
        token = choose(logits, sampling, point(seed, draws))
        draws += 1
        if call is None and token == eos_id:
            return ends("end")
        ids.append(token)
        kinds.append("text" if call is None else "call")
        if token == entity_id:
            call, relation_at, tries, kinds[-1] = len(ids) - 1, None, 0, "call"
        elif token == relation_id:
            relation_at = len(ids)
        elif token == return_id:
            asking = True
        elif call is None:
            whole = text()
            places = [whole.find(one) for one in stop if one in whole]
            if places:
                return ends("stop", min(places))
            if kinds.count("text") >= max_new_tokens:
                return ends("length")
            if len(ids) >= window:
                return ends("window")
