"""Times PyTorch's AdamW, kron-torch and psgd-torch and prints one JSON document.

usage: run.py [CASE ...]   (default: all cases; `run.py --list` names them)

Everything runs on one thread, float32. A figure is the median over repetitions of the CPU time of this thread a step, after
a warm-up. kron-torch (CC BY 4.0) and psgd-torch (no licence given) are only run, none of their code is used here.
"""
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import importlib.metadata as metadata
import json
import platform
import sys
import time

import numpy as np
import torch

torch.set_num_threads(1)


def timed(function, repetitions, inner=1):
    """Seconds of CPU per call: median, smallest, number of repetitions; the first one is not counted."""
    function()
    times = []
    for _ in range(repetitions):
        start = time.thread_time()
        for _ in range(inner):
            function()
        times.append((time.thread_time() - start) / inner)
    return {"median": float(np.median(times)), "smallest": min(times), "repetitions": repetitions}


def numbers(count, key):
    """Numbers in [-0.5, 0.5) that any language can make: fractional parts of multiples of the golden ratio."""
    return torch.from_numpy((np.modf((np.arange(count) + 1 + 1000003 * key) * 0.6180339887498949)[0] - 0.5).astype(np.float32))


def parameter(*shape):
    count = int(np.prod(shape))
    w = torch.nn.Parameter(numbers(count, 1).reshape(shape))
    w.grad = numbers(count, 2).reshape(shape)
    return w


def triad(count):
    """What memory gives: a += 3 b on float32 far larger than the caches; two reads and a write, of lines that were read."""
    a, b = numbers(count, 3), numbers(count, 4)
    result = timed(lambda: a.add_(b, alpha=3.0), 15)
    return {**result, "bytes": 12 * count, "bytesPerSecond": 12 * count / result["median"]}


def adamw(count):
    """Bytes: parameter, gradient and two moments read, all but the gradient written."""
    result = {"bytes": 28 * count}
    for name, options in (("default", {}), ("fused", {"fused": True})):
        w = parameter(count)
        optimizer = torch.optim.AdamW([w], lr=1e-3, **options)
        result[name] = timed(optimizer.step, 15 if count >= 1e6 else 101, 1 if count >= 1e6 else 10)
    return result


def kron_torch(n, probability):
    """Steps of an n x n matrix. With p = 0.03 a figure is the mean of 102 steps, 3 of which update."""
    from kron_torch import Kron

    w = parameter(n, n)
    optimizer = Kron([w], preconditioner_update_probability=probability)
    for _ in range(5):
        optimizer.step()
    scheduled = probability < 1
    result = timed(optimizer.step, 3 if scheduled else 9, 102 if scheduled else 1)
    assert torch.isfinite(w).all()
    return {**result, "compiled": os.environ.get("TORCHDYNAMO_DISABLE") != "1"}


def psgd_torch(n):
    """The triangular preconditioner (EQ) of the PyPI release: one update from a pair, one application."""
    from psgd_torch import psgd

    g, v = numbers(n * n, 2).reshape(n, n), torch.randn(n, n)
    q, exprs = psgd.init_Q_exprs(g, 1.0, float("inf"), float("inf"))
    tiny = torch.finfo(torch.float32).tiny
    update = timed(lambda: psgd.update_precond_kron_math_(q, exprs, v, g, 0.1, "2nd", tiny), 9, 3)
    apply = timed(lambda: psgd.precond_grad_kron_math(q, exprs, g), 9, 5)
    return {"update": update, "apply": apply}


SIZES = (128, 256, 512)
CASES = {
    "triad": lambda: triad(1 << 26),
    "adamw-10000000": lambda: adamw(10_000_000),
    **{f"adamw-{n}x{n}": (lambda n=n: adamw(n * n)) for n in SIZES},
    **{f"kron-torch-{n}": (lambda n=n: kron_torch(n, 0.03)) for n in SIZES},
    **{f"kron-torch-{n}-full": (lambda n=n: kron_torch(n, 1.0)) for n in SIZES},
    **{f"psgd-torch-{n}": (lambda n=n: psgd_torch(n)) for n in SIZES},
}

if __name__ == "__main__":
    wanted = sys.argv[1:]
    if wanted == ["--list"]:
        print(json.dumps(list(CASES)))
        sys.exit()
    unknown = [name for name in wanted if name not in CASES]
    if unknown:
        sys.exit(f"unknown case {unknown[0]}; known: {', '.join(CASES)}")
    versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in ("torch", "kron-torch", "psgd-torch")}}
    results = {}
    for name in wanted or CASES:
        with torch.no_grad():
            results[name] = CASES[name]()
    print(json.dumps({"versions": versions, "unit": "seconds of CPU of one thread", "cases": results}))
