"""`lamlam eval harness`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamlam.cli.evaluate_options import Kb, Limit, Model, Name, Out, Seed, finish, refuse_missing
from lamlam.cli.terminal import Json
from lamlam.errors import LamlamError

if TYPE_CHECKING:
    from lamlam.evaluate import Result


def harness(
    model: Model,
    tasks: Annotated[str, typer.Option(help="Names of the harness's tasks, with commas between.", show_default=False)],
    kb: Kb = None,
    include: Annotated[Path | None, typer.Option(help="A folder with more tasks, as YAML.")] = None,
    shots: Annotated[
        int | None, typer.Option(min=0, help="Examples before each question; else the task's own.")
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    name: Name = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Run tasks of lm-evaluation-harness on the model, with its base or, without --kb, with lookups off.

    `python -m lamlam.evaluate.harness` takes all of `lm_eval`'s own arguments.

    Example: `lamlam eval harness model --tasks arc_easy,hellaswag --kb facts.db --limit 200`
    """
    refuse_missing(kb, include)
    try:
        import lm_eval
        from lm_eval.tasks import TaskManager

        from lamlam.evaluate.harness import LamlamLM
    except ImportError as error:
        raise LamlamError("this needs lm-evaluation-harness; install it: pip install 'lamlam[lm-eval]'") from error
    from lamlam.evaluate.language import harness_result

    def measured() -> Iterator[Result]:
        began = time.monotonic()
        names = [task for task in tasks.split(",") if task]
        own = str(include) if include else None
        manager = TaskManager(include_path=own, include_defaults=own is None)
        if own is not None and not set(names) <= set(manager.all_tasks):
            manager = TaskManager(include_path=own)  # the harness's own thousands, which take seconds to look through
        unknown = [task for task in names if task not in manager.all_tasks]
        if unknown or not names:
            raise LamlamError(f"the harness has no task {', '.join(unknown) or tasks!r}; name tasks, or give --include")
        lm = LamlamLM(str(model), str(kb) if kb else None)
        try:
            found = lm_eval.simple_evaluate(
                lm, tasks=names, task_manager=manager, num_fewshot=shots, limit=limit, random_seed=seed,
                numpy_random_seed=seed, torch_random_seed=seed, fewshot_random_seed=seed, bootstrap_iters=1000,
            )  # fmt: skip
        except (OSError, ConnectionError) as error:
            raise LamlamError(f"a task's data cannot be had: {' '.join(str(error).split())[:200]}") from error
        finally:
            if lm.base is not None:
                lm.base.close()
        yield harness_result(found, name or str(model), "full" if kb else "none", seed, limit, began)

    finish(measured(), out, json)
