"""Everything at once: a suite says which models and which data there are, and every measurement that has its data runs.

A suite is a YAML file; paths in it are taken from its own folder. `lamlam demo` writes one beside its models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lamlam.corpus import Kind
from lamlam.errors import LamlamError
from lamlam.evaluate.audit import audit
from lamlam.evaluate.benchmarks import read_benchmark
from lamlam.evaluate.biography import measure_biographies, read_names, read_table
from lamlam.evaluate.completion import measure_completion
from lamlam.evaluate.editing import edit_base, edit_weights, read_edits
from lamlam.evaluate.finetune import Tuning
from lamlam.evaluate.infusion import infuse, read_infusion, small_models
from lamlam.evaluate.memory import measure_memory, tuned_on
from lamlam.evaluate.oracle import temporary_base
from lamlam.evaluate.perplexity import measure_perplexity
from lamlam.evaluate.questions import read_questions
from lamlam.evaluate.task import Result
from lamlam.evaluate.tofu import Split, read_tofu
from lamlam.evaluate.unlearning import unlearn_base, unlearn_weights
from lamlam.generate import LookupModel
from lamlam.kb import KnowledgeBase
from lamlam.text.files import read_documents

TUNED_EDITS = 10
"""Edits of a Standard model's weights at most, since each takes a training."""


class SuiteModel(BaseModel):
    """A checkpoint, and whether it asks (`lmlm`) or knows (`standard`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    kind: Kind


class Suite(BaseModel):
    """Which models, and which data: what is not given is not measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(1, ge=1, le=1)
    folder: Path = Field(Path(), exclude=True)
    models: dict[str, SuiteModel] = Field(min_length=1)
    base: Path = Field(description="everything there is")
    without: Path = Field(description="a base made without the held-out documents")
    context: int | None = Field(None, ge=1, description="tokens in view at most, as in training")
    documents: Path | None = None
    questions: Path | None = None
    audit: Path | None = None
    names: Path | None = None
    facts: Path | None = None
    biography_prompt: str = "{name}"
    memory: Path | None = None
    memory_documents: Path | None = None
    edits: Path | None = None
    tofu: Path | None = None
    tofu_documents: Path | None = None
    tofu_split: Split = "10"
    tofu_lr: dict[Kind, float] = {"lmlm": 1e-4, "standard": 1e-3}
    infusion: Path | None = None
    infusion_general: Path | None = None
    infusion_questions: Path | None = None
    infusion_sizes: list[str] = ["2x64", "4x128"]
    infusion_repeats: list[int] = [1, 5, 20, 50]
    infusion_documents: int = 1000


class Item(NamedTuple):
    """One measurement of a suite: its name, and what gives its results."""

    name: str
    results: Callable[[], Iterator[Result]]


def read_suite(path: Path) -> Suite:
    """The suite in a YAML file, or in `suite.yaml` of a folder; LamlamError names every key that is wrong."""
    path = path / "suite.yaml" if path.is_dir() else path
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Suite(**{**values, "folder": path.parent})
    except OSError:
        raise LamlamError(f"{path}: no such file; `lamlam demo` writes one, or write your own") from None
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        raise LamlamError(f"{path} is not a suite: {' '.join(str(error).split())[:200]}") from error
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise LamlamError(f"{path}: {'; '.join(faults)}") from error


def items(suite: Suite, load: Callable[[Path], Any], limit: int | None, seed: int = 0) -> Iterator[Item]:
    """The measurements of a suite, in the order in which they are best read. Nothing runs before its results are
    asked for; `load` gives the LookupModel of a folder."""
    run = _Run(suite, load, limit, seed)
    for name, model in suite.models.items():
        for task, needed in _NEEDS.items():
            if all(getattr(suite, key) is not None for key in needed):
                yield Item(f"{task}, {name}", lambda t=task, n=name, m=model: getattr(run, t)(n, m))  # type: ignore[misc]
    if suite.infusion is not None and suite.infusion_general is not None:
        yield Item("infusion", run.infusion)


_NEEDS = {
    "perplexity": ("documents",),
    "completion": ("questions",),
    "biography": ("names", "facts"),
    "memory": ("memory", "memory_documents"),
    "audit": ("audit",),
    "editing": ("edits",),
    "unlearning": ("tofu", "tofu_documents"),
}


class _Run:
    """One run of a suite; models and bases are opened when they are needed, and each model once."""

    def __init__(self, suite: Suite, load: Callable[[Path], Any], limit: int | None, seed: int) -> None:
        self.suite, self.load, self.limit, self.seed = suite, load, limit, seed
        self.loaded: dict[Path, LookupModel] = {}

    def path(self, path: Path | None) -> Path:
        """A path of the suite, from its folder."""
        return self.suite.folder / (path or Path())

    def model(self, model: SuiteModel, kb: KnowledgeBase | None = None) -> LookupModel:
        """The model with a base."""
        path = self.path(model.path)
        if path not in self.loaded:
            self.loaded[path] = self.load(path)
        one = self.loaded[path]
        return LookupModel(one.model, one.tokenizer, kb)

    def perplexity(self, name: str, model: SuiteModel) -> Iterator[Result]:
        path = self.path(self.suite.documents)
        documents = list(islice(read_documents(path), self.limit))
        asks = model.kind == "lmlm"
        with temporary_base() as oracle, KnowledgeBase.open(self.path(self.suite.without)) as without:
            oracle.add_documents(documents)
            yield measure_perplexity(
                self.model(model), documents, data=path.name, bases={"oracle": oracle, "full": without} if asks else {},
                model=name, context=self.suite.context, seed=self.seed, limit=self.limit,
            )  # fmt: skip

    def completion(self, name: str, model: SuiteModel) -> Iterator[Result]:
        asked = read_benchmark(self.path(self.suite.questions), self.limit, self.seed)
        with KnowledgeBase.open(self.path(self.suite.base)) as full, temporary_base(asked.facts()) as oracle:
            bases = {"full": full, "oracle": oracle} if model.kind == "lmlm" else {}
            for kind, base in {**bases, "none": None}.items():
                yield measure_completion(
                    self.model(model, base), asked.questions, "abstain", base=kind, data=asked.name, split="all",
                    prompt=asked.prompt, model=name, seed=self.seed, limit=self.limit,
                )  # fmt: skip

    def biography(self, name: str, model: SuiteModel) -> Iterator[Result]:
        names, table = self.path(self.suite.names), read_table(self.path(self.suite.facts))
        people = read_names(names, self.limit, self.seed)
        with KnowledgeBase.open(self.path(self.suite.base)) as full:
            lm = self.model(model, full if model.kind == "lmlm" else None)
            yield measure_biographies(
                lm, people, table, "abstain", prompt=self.suite.biography_prompt, data=names.name, model=name,
                seed=self.seed, limit=self.limit,
            )  # fmt: skip

    def memory(self, name: str, model: SuiteModel) -> Iterator[Result]:
        path = self.path(self.suite.memory)
        questions = read_questions(path)
        documents = read_documents(self.path(self.suite.memory_documents))
        lm = tuned_on(self.model(model), questions, list(documents), model.kind, Tuning(1, 1e-3, seed=self.seed))
        yield measure_memory(lm, questions, data=path.name, model=name, seed=self.seed, limit=self.limit)

    def audit(self, name: str, model: SuiteModel) -> Iterator[Result]:
        if model.kind == "lmlm":
            path = self.path(self.suite.audit)
            with KnowledgeBase.open(self.path(self.suite.base)) as full:
                yield from audit(
                    self.model(model), full, read_questions(path), data=path.name, model=name, seed=self.seed,
                    limit=self.limit,
                )  # fmt: skip

    def editing(self, name: str, model: SuiteModel) -> Iterator[Result]:
        path = self.path(self.suite.edits)
        if model.kind == "standard":
            few = min(self.limit or TUNED_EDITS, TUNED_EDITS)
            edits = read_edits(path, few, self.seed)
            yield edit_weights(self.model(model), edits, data=path.name, model=name, seed=self.seed, limit=few)
            return
        edits = read_edits(path, self.limit, self.seed)
        with KnowledgeBase.open(self.path(self.suite.base)) as full:
            yield edit_base(
                self.model(model), full, edits, data=path.name, model=name, seed=self.seed, limit=self.limit
            )

    def unlearning(self, name: str, model: SuiteModel) -> Iterator[Result]:
        path, asks = self.path(self.suite.tofu), model.kind == "lmlm"
        documents = list(read_documents(self.path(self.suite.tofu_documents))) if asks else None
        tofu = read_tofu(path, self.suite.tofu_split, documents, self.limit, self.seed)
        tuning = Tuning(3, self.suite.tofu_lr[model.kind], seed=self.seed)
        if asks:
            with KnowledgeBase.open(self.path(self.suite.without)) as base:
                yield from unlearn_base(
                    self.model(model), base, [tofu], data=path.name, model=name, tuning=tuning, limit=self.limit
                )
        else:
            less = tuning._replace(lr=tuning.lr / 10)
            yield from unlearn_weights(
                self.model(model), [tofu], data=path.name, model=name, tuning=tuning, unlearning=less, limit=self.limit
            )

    def infusion(self) -> Iterator[Result]:
        first = next(iter(self.suite.models.values()))
        path, suite = self.path(self.suite.infusion), self.suite
        asked = None if suite.infusion_questions is None else self.path(suite.infusion_questions)
        general = list(islice(read_documents(self.path(suite.infusion_general)), suite.infusion_documents))
        yield from infuse(
            small_models(self.model(first).tokenizer, suite.infusion_sizes, self.seed), general,
            read_infusion(path, 20, asked), suite.infusion_repeats, data=path.name, documents=suite.infusion_documents,
            tuning=Tuning(1, 3e-3, 8, self.seed),
        )  # fmt: skip
