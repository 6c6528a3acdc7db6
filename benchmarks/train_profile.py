"""Where the time of one of our training steps goes on a GPU: its kernels by name, and the gaps between them.

    python benchmarks/train_profile.py [MODEL] [--micro-batch 64] [--recompute 0] [--top 25]

A step of 128 windows of 1,024 made-up tokens, as `lamlam eval speed train` runs it, traced by torch.profiler. Beside
it, what a large matrix product reaches when it runs for two seconds without a pause, which tells what the card's power
lets through: short bursts run at higher clocks.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections import defaultdict
from functools import partial

import torch
from accelerate import Accelerator
from torch.profiler import ProfilerActivity, profile

from lamlam.train import speed


def sustained(seconds: float = 2.0, size: int = 8192) -> float:
    left, right = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    torch.cuda.synchronize()
    began, products = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for _ in range(20):
            left @ right
        torch.cuda.synchronize()
        products += 20
    return products * 2.0 * size**3 / (time.perf_counter() - began)


def card() -> str:
    asked = "clocks.sm,power.draw,temperature.gpu,clocks_event_reasons.active"
    command = ["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[0] if done.stdout else "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="llama-176m")
    parser.add_argument("--micro-batch", type=int, default=64)
    parser.add_argument("--recompute", type=int, default=0)
    parser.add_argument("--top", type=int, default=25)
    given = parser.parse_args()
    accelerator = Accelerator()
    model = speed._model(given.model, 0, accelerator.device)
    make = partial(speed._ours, recompute=given.recompute)(accelerator, model, 1024, "bf16")
    step = make(speed.made_up_batch(128, 1024), given.micro_batch)
    for _ in range(4):
        step()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(8):
        step()
    print(f"the card within steps: {card()}")
    torch.cuda.synchronize()
    print(f"a step: {(time.perf_counter() - began) / 8 * 1e3:.1f} ms")
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        step()
        torch.cuda.synchronize()
    kernels = [event for event in trace.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    spans = sorted((event.time_range.start, event.time_range.end) for event in kernels)
    busy, end = 0.0, spans[0][0]
    for start, stop in spans:
        busy += max(0.0, stop - max(start, end))
        end = max(end, stop)
    whole = end - spans[0][0]
    print(
        f"traced: {whole / 1e3:.1f} ms, {len(spans):,} kernels, {busy / 1e3:.1f} ms busy, "
        f"{(whole - busy) / 1e3:.1f} ms between them"
    )
    times: dict[str, list[float]] = defaultdict(list)
    for event in kernels:
        times[event.name].append(event.time_range.end - event.time_range.start)
    for name, found in sorted(times.items(), key=lambda item: -sum(item[1]))[: given.top]:
        print(f"{sum(found) / 1e3:8.2f} ms {len(found):6,} × {sum(found) / len(found):8.1f} µs  {name[:110]}")
    print(f"a large matrix product for two seconds: {sustained() / 1e12:.0f} TFLOP/s ({card()})")


if __name__ == "__main__":
    main()
