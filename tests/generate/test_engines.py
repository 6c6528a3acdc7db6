"""`RemoteLookupModel` over engines of other projects, each started by the test: the same generations as here.

vLLM wants other versions of packages than lamlam, so it stays in an environment of its own, whose Python LAMLAM_VLLM
names. llama.cpp's server is named by LAMLAM_LLAMA_SERVER. docs/engines.md says how to get both.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lamlam.errors import LamlamError
from lamlam.generate import LookupModel, RemoteLookupModel, Sampling
from lamlam.kb import Fact, KnowledgeBase
from tests.generate.conftest import HashBase
from tests.generate.gguf_file import write_gguf
from tests.generate.test_joining import FACTS
from tests.generate.test_remote import events_of, without_times

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PROMPTS = ["Ada 0 has the Born", "", "Adam 1 has", "Ada 2 has the Born v2. Ada 2 has"]
WINDOW = 256
OPTIONS = [
    {},
    {"policy": "unknown"},
    {"policy": "retry"},
    {"max_lookups": 0},
    {"max_lookups": 2},
    {"stop": ["e", "Lon"]},
]


@pytest.fixture(scope="module")
def checkpoint(tokenizer, tmp_path_factory) -> Path:
    """A Llama in float32 that has learnt a few sentences with calls by heart, as engines load it."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=WINDOW,
        bos_token_id=tokenizer.start_id,
        eos_token_id=tokenizer.eos_id,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    told = [told_of(tokenizer, *FACTS[first : first + 2]) for first in range(0, len(FACTS), 2)]
    longest = max(map(len, told))
    ids = torch.tensor([[*one, *[tokenizer.eos_id] * (longest - len(one))] for one in told])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(120):
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("engines") / "model"
    model.eval().save_pretrained(folder)
    tokenizer.save(folder)
    return folder


def told_of(tokenizer, *facts) -> list[int]:
    """A text that states the facts, each after its call."""
    ids = [tokenizer.start_id]
    for entity, relation, value in facts:
        ids += tokenizer.encode_text(f"{entity} has the {relation}", first=len(ids) == 1)
        ids += [*tokenizer.encode_query(entity, relation), *tokenizer.encode_answer(value)]
        ids += tokenizer.encode_text(f" {value}. ", first=False)
    return [*ids, tokenizer.eos_id]


@pytest.fixture(scope="module")
def here(checkpoint) -> LookupModel:
    return LookupModel.from_pretrained(checkpoint, HashBase(), device="cpu")


@contextmanager
def started(command: list[str], port: int, log: Path, **environment: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """A server, once it answers; the end of its log where it does not."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=os.environ | environment, start_new_session=True
        )
        try:
            until = time.monotonic() + 180
            while not answers(f"http://127.0.0.1:{port}/health"):
                if process.poll() is not None or time.monotonic() > until:
                    pytest.fail(f"{command[0]} did not start: {log.read_text(errors='replace')[-1500:]}")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1", process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def vllm(checkpoint, tmp_path_factory):
    python = os.environ.get("LAMLAM_VLLM")
    if not python:
        pytest.skip("no vLLM: LAMLAM_VLLM has to name the python of its environment; see docs/engines.md")
    port = free_port()
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(checkpoint), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--dtype", "float32", "--max-model-len", str(WINDOW), "--max-num-seqs", "8"]
    command += ["--enforce-eager", "--served-model-name", "tiny"]
    offline = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    log = tmp_path_factory.mktemp("vllm") / "log"
    with started(command, port, log, **offline, VLLM_CPU_OMP_THREADS_BIND="nobind") as server:
        yield server


@pytest.fixture(scope="module")
def llama_server(checkpoint, tmp_path_factory):
    server = os.environ.get("LAMLAM_LLAMA_SERVER")
    if not server:
        pytest.skip("no llama.cpp: LAMLAM_LLAMA_SERVER has to name its llama-server; see docs/engines.md")
    gguf = pytest.importorskip("gguf", reason="no gguf, which writes what llama.cpp loads: pip install gguf")
    folder, port = tmp_path_factory.mktemp("llama"), free_port()
    write_gguf(checkpoint, folder / "tiny.gguf", gguf)
    command = [server, "-m", str(folder / "tiny.gguf"), "--host", "127.0.0.1", "--port", str(port)]
    # One size for keys and values in float32 throughout, so that no rounding decides.
    command += ["-c", str(4 * WINDOW), "-np", "4", "-t", "1", "-fa", "off", "-ctk", "f32", "-ctv", "f32"]
    with started(command, port, folder / "log") as started_server:
        yield started_server


@pytest.fixture(params=["vllm", "llama_server"])
def engine(request) -> tuple[str, subprocess.Popen]:
    """A URL, and the process that serves it."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_generates_and_streams_what_is_generated_here(here, engine, checkpoint, options):
    wanted = without_times(here.generate(PROMPTS, max_new_tokens=14, **options))
    with RemoteLookupModel(engine[0], checkpoint, HashBase(), retries=0) as there:
        assert without_times(there.generate(PROMPTS, max_new_tokens=14, **options)) == wanted
        assert there.client.tells_ids
        assert there.window == WINDOW
        streamed = events_of(there, PROMPTS[0], max_new_tokens=14, **options)
        assert streamed == events_of(here, PROMPTS[0], max_new_tokens=14, **options)
    if options.get("max_lookups", 9) > 2 and "stop" not in options:
        assert sum(call.outcome != "abstained" for one in wanted for call in one[2]) > 1


def test_prompts_within_calls_and_that_fill_the_window(here, engine, checkpoint):
    names = here.tokenizer
    query = names.encode_query("Ada", "Birth Date")
    before = names.encode_text("Ada was born on")
    prompts = [
        [*before, *query],
        [*before, *query[:-2]],
        [*before, *query[:1]],
        [*before, *query, *names.encode_answer("10 December 1815")],
        names.encode_text("Ada was born in London. " * 40)[: WINDOW - 3],
    ]
    wanted = without_times(here.generate(prompts, max_new_tokens=8))
    with RemoteLookupModel(engine[0], checkpoint, HashBase(), retries=0) as there:
        assert without_times(there.generate(prompts, max_new_tokens=8)) == wanted


def test_constrained(checkpoint, engine, tmp_path):
    with KnowledgeBase.open(tmp_path / "facts.db", create=True) as kb:
        kb.add([Fact(*fact) for fact in FACTS[::2]])
        here = LookupModel.from_pretrained(checkpoint, kb, device="cpu")
        options = {"max_new_tokens": 12, "constrained": True, "max_lookups": 4}
        wanted = without_times(here.generate(PROMPTS, **options))
        assert any(one[2] for one in wanted)
        with RemoteLookupModel(engine[0], checkpoint, kb, retries=0) as there:
            assert without_times(there.generate(PROMPTS, **options)) == wanted


def test_it_samples_by_the_seed(engine, checkpoint):
    sampling = Sampling(temperature=0.8, top_k=20, top_p=0.9, min_p=0.02, seed=3, repetition_penalty=1.1)
    with RemoteLookupModel(engine[0], checkpoint, HashBase(), retries=0) as there:
        once, again = (without_times(there.generate(PROMPTS, max_new_tokens=10, sampling=sampling)) for _ in range(2))
        assert once == again
        other = Sampling(temperature=0.8, top_k=20, top_p=0.9, seed=4)
        assert without_times(there.generate(PROMPTS, max_new_tokens=10, sampling=other)) != once


def test_transformers_serve_is_refused_in_one_line(checkpoint, tmp_path):
    """It takes text alone for a prompt, and leaves lookup tokens out of what it gives back."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(checkpoint), "--port", str(port)]
    with started([*command, "--device", "cpu"], port, tmp_path / "log", HF_HUB_OFFLINE="1") as (url, _):
        there = RemoteLookupModel(url, checkpoint, HashBase(), model=str(checkpoint), window=WINDOW, retries=0)
        with there, pytest.raises(LamlamError, match="an engine that takes token ids as a prompt") as raised:
            there.generate(["Ada"])
        assert "\n" not in str(raised.value)


def test_an_engine_that_goes_away_midway(here, engine, checkpoint):
    """The last test of both: the server is killed while a text is written."""
    url, process = engine

    class Killing(HashBase):
        def lookup_many(self, queries):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return super().lookup_many(queries)

    with RemoteLookupModel(url, checkpoint, Killing(), retries=0) as there:
        with pytest.raises(LamlamError, match="cannot be reached, or broke off") as raised:
            there.generate(PROMPTS, max_new_tokens=30)
        assert "\n" not in str(raised.value)
