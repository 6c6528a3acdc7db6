"""Everything that a prefix index says, walked out of it, and what it ought to say, from the facts of a base."""

from collections import defaultdict

import numpy as np


def reference(entries, encode, closing):
    """For every prefix of (entity, then relation), as token tuples: the tokens that may come next.

    `entries`: entity → its relations; `encode`: a name's tokens.
    """
    continued = defaultdict(set)

    def spell(before, tokens, end):
        for length, token in enumerate([*tokens, end]):
            continued[before, tuple(tokens[:length])].add(token)

    for entity, relations in entries.items():
        for relation in relations:
            spell(None, encode(entity), closing[0])
            spell(tuple(encode(entity)), encode(relation), closing[1])
    return continued


def explore(index, closing, vocabulary):
    """The same, walked out of the index in batches of whole levels."""
    continued = defaultdict(set)
    level = [(index.entity_root, (None, ()))]
    while level:
        nodes = np.array([node for node, _ in level])
        (rows, tokens), hot = index.allowed(nodes)
        mask = np.ones((len(level), vocabulary), bool)
        index.mask(nodes, mask)
        below, wanted = [], []
        for row, (node, (before, written)) in enumerate(level):
            its = tokens[rows == row].tolist()
            assert len(set(its)) == len(its)
            assert hot[row] == -1
            assert sorted(its) == np.flatnonzero(mask[row]).tolist()
            assert closing[before is None] not in its
            if its:
                continued[before, written] |= set(its)
            wanted += [(node, (before, written), token) for token in its]
        after = index.advance([node for node, _, _ in wanted], [token for _, _, token in wanted])
        assert (after >= 0).all()
        for (_, (before, written), token), node in zip(wanted, after.tolist(), strict=True):
            if token == closing[0]:
                below.append((node, (written, ())))
            elif token == closing[1]:
                assert node == index.entity_root
            else:
                below.append((node, (before, (*written, token))))
        level = below
    return continued
