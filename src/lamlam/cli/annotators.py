"""The annotators that `lamlam annotate --with` names, made from its options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamlam.annotate.annotator import Annotator
from lamlam.errors import LamlamError


@dataclass(frozen=True)
class Settings:
    """What the options say, for whichever annotator needs it."""

    facts: Sequence[str]
    rules: Path | None = None
    model: Path | None = None
    careful: bool = False
    endpoint: str | None = None
    llm: str | None = None
    prompt: Path | None = None
    at_once: int = 8
    per_minute: float | None = None
    price: tuple[float, float] | None = None


@dataclass
class Chain:
    """The annotators in the order in which they were named, and the one that costs money, if there is one."""

    annotators: list[Annotator] = field(default_factory=list)
    llm: Any = None

    def spent(self) -> dict[str, Any] | None:
        """What the language model was asked and gave back; None if there was none."""
        return None if self.llm is None else self.llm.spent.to_json()


@contextmanager
def built(names: Sequence[str], settings: Settings, out: Path) -> Iterator[Chain]:
    """The named annotators, closed at the end of the block.

    Raises `LamlamError` where one lacks an option that it needs. The journal of a language model's answers lies beside
    `out`, as `out.answers`, and is removed when the block ends well.
    """
    with ExitStack() as stack:
        chain = Chain()
        for name in names:
            chain.annotators.append(_one(name, settings, out, chain, stack))
        yield chain


def _one(name: str, settings: Settings, out: Path, chain: Chain, stack: ExitStack) -> Annotator:
    match name:
        case "align":
            if not settings.facts:
                raise LamlamError("--with align needs --facts: a base, or a .csv or .parquet table of facts")
            from lamlam.annotate.align import Aligner

            return Aligner.from_files(settings.facts)
        case "patterns":
            from lamlam.annotate.patterns import Patterns
            from lamlam.annotate.rule_language import load_rules

            return Patterns(load_rules(settings.rules))
        case "model":
            if settings.model is None:
                raise LamlamError("--with model needs --model: a folder that `lamlam train-annotator` wrote")
            if any((settings.model / name).is_file() for name in ("config.json", "adapter_config.json")):
                from lamlam.annotate.copying import CopyingAnnotator

                return CopyingAnnotator.load(settings.model)
            from lamlam.annotate.align import Aligner
            from lamlam.annotate.local import load_annotator

            # What a table says is judged as well, by whoever reads the text.
            judged = settings.careful and chain.annotators and isinstance(chain.annotators[-1], Aligner)
            facts = chain.annotators.pop() if judged else None
            return load_annotator(settings.model, settings.careful, facts)
        case _:
            if settings.endpoint is None or settings.llm is None:
                raise LamlamError("--with llm needs --endpoint URL and --llm NAME, the model's name there")
            from lamlam.annotate.llm import LLMAnnotator

            chain.llm = stack.enter_context(
                LLMAnnotator.open(
                    settings.endpoint,
                    settings.llm,
                    journal=out.with_name(out.name + ".answers"),
                    prompt=settings.prompt,
                    at_once=settings.at_once,
                    per_minute=settings.per_minute,
                    price=settings.price,
                )
            )
            llm: Annotator = chain.llm
            return llm
