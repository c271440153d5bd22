"""Times SciPy on the linear solves of bench/solve.ts and prints one JSON document.

usage: run.py [CASE ...]   (default: all cases; `run.py --list` names them)

Everything runs on one thread. A figure is the median over repetitions of the CPU time of this thread, after a warm-up.
Systems are made by the formulas below, without random numbers where another program must make the same ones.
"""
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[name] = "1"

import json
import platform
import sys
import time

import numpy as np
import scipy
import scipy.linalg as dense
import scipy.sparse as sparse
import scipy.sparse.linalg as krylov


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


def uniform(count, key):
    """Numbers in [0, 1) that any language can make: the fractional parts of multiples of the golden ratio."""
    return np.modf((np.arange(count) + 1 + 1000003 * key) * 0.6180339887498949)[0]


def poisson(m):
    """Five-point matrix of -Laplace on m x m inner points, zero boundary, step 1."""
    line = sparse.diags_array([-np.ones(m - 1), 2 * np.ones(m), -np.ones(m - 1)], offsets=[-1, 0, 1])
    eye = sparse.eye_array(m)
    return (sparse.kron(line, eye) + sparse.kron(eye, line)).tocsr()


def small_world(n):
    """Laplacian of a ring with offsets 1..5 and 5 n further pairs, weight 1; scaled to a largest eigenvalue of 10."""
    i = np.arange(n)
    pairs = {(int(min(a, b)), int(max(a, b))) for k in range(1, 6) for a, b in zip(i, (i + k) % n)}
    first = (uniform(5 * n, 1) * n).astype(int)
    second = (uniform(5 * n, 2) * n * 97 % n).astype(int)
    pairs |= {(int(min(a, b)), int(max(a, b))) for a, b in zip(first, second) if a != b}
    edges = np.array(sorted(pairs))
    weight = sparse.coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n)).tocsr()
    adjacency = weight + weight.T
    laplacian = (sparse.diags_array(adjacency.sum(axis=1)) - adjacency).tocsr()
    largest = krylov.eigsh(laplacian, k=1, which="LA", return_eigenvectors=False, v0=np.ones(n) + uniform(n, 3))[0]
    return (laplacian * (10 / largest)).tocsr()


def state(n):
    b = uniform(n, 4) - 0.5 + 1j * (uniform(n, 5) - 0.5)
    return b / np.linalg.norm(b)


def triad(count=1 << 24):
    """a = b + s c on float64 arrays far larger than the caches. NumPy needs two passes for it; bytes are counted as they move."""
    a, b, c = np.zeros(count), uniform(count, 6), uniform(count, 7)

    def step():
        np.multiply(c, 3.0, out=a)
        np.add(a, b, out=a)

    time_of = timed(step, 7)
    # multiply: reads c, writes a; add: reads a and b, writes a.
    return {**time_of, "count": count, "bytes": 5 * 8 * count, "bytesPerSecond": 5 * 8 * count / time_of["median"], "note": "two NumPy passes, write-allocate not counted"}


def spmv(m=1024):
    a = poisson(m)
    x = uniform(m * m, 8)
    # Values and 32-bit columns once, row pointers, x read and y written once.
    moved = a.nnz * 12 + (m * m + 1) * 4 + 2 * 8 * m * m
    time_of = timed(lambda: a @ x, 15, 3)
    return {**time_of, "rows": m * m, "nonzeros": int(a.nnz), "bytes": moved, "bytesPerSecond": moved / time_of["median"], "indexBytes": a.indices.dtype.itemsize}


def cg_poisson(m=1024):
    """scipy cg with the Jacobi preconditioner to 1e-8 from 0: one whole solve, and the time of an iteration."""
    a = poisson(m)
    b = uniform(m * m, 9) - 0.5
    inverse = 1 / a.diagonal()
    preconditioner = krylov.LinearOperator(a.shape, matvec=lambda r: inverse * r, dtype=float)

    def solve(iterations=None):
        count = [0]

        def step(_):
            count[0] += 1

        start = time.thread_time()
        x, info = krylov.cg(a, b, rtol=1e-8, atol=0, M=preconditioner, maxiter=iterations, callback=step)
        return time.thread_time() - start, count[0], x, info

    solve(5)
    # An iteration by many short runs, whose median is less of a matter of luck than one long run.
    short = [elapsed / count for elapsed, count, _, _ in (solve(40) for _ in range(7))]
    seconds, count, x, info = solve()
    return {
        "perIteration": {"median": float(np.median(short)), "smallest": min(short), "repetitions": len(short)},
        "whole": seconds,
        "wholePerIteration": seconds / count,
        "iterations": count,
        "info": int(info),
        "trueResidual": float(np.linalg.norm(b - a @ x) / np.linalg.norm(b)),
        "rows": m * m,
    }


def cayley(n, strength, lu):
    """(I + iaH) y = b with a lambda_max = strength, rtol 1e-10: bicgstab, gmres, and a dense factor made once."""
    h = small_world(n)
    matrix = (sparse.eye_array(n) + 1j * (strength / 10) * h).tocsr()
    b = state(n)
    out = {"n": n, "Lambda": strength, "nonzeros": int(h.nnz)}
    repetitions, inner = (15, 20) if n <= 1024 else (9, 5)
    for name, call in (
        ("bicgstab", lambda: krylov.bicgstab(matrix, b, rtol=1e-10, atol=0)),
        ("gmres", lambda: krylov.gmres(matrix, b, rtol=1e-10, atol=0, restart=60)),
    ):
        y, info = call()
        out[name] = {**timed(call, repetitions, inner), "info": int(info), "trueResidual": float(np.linalg.norm(b - matrix @ y))}
    if lu:
        factor = dense.lu_factor(matrix.toarray())
        call = lambda: dense.lu_solve(factor, b, check_finite=False)
        out["lu"] = {**timed(call, 15, 50), "trueResidual": float(np.linalg.norm(b - matrix @ call()))}
    return out


CASES = {
    "triad": triad,
    "spmv": spmv,
    "cg-poisson-1024": cg_poisson,
    "cg-poisson-256": lambda: cg_poisson(256),
    **{
        f"cayley-{n}-{strength}": (lambda n=n, strength=strength: cayley(n, strength, n == 256))
        for n in (256, 1024, 4096)
        for strength in (0.5, 5)
    },
}

if __name__ == "__main__":
    wanted = sys.argv[1:]
    if wanted == ["--list"]:
        print(json.dumps(list(CASES)))
        sys.exit()
    unknown = [name for name in wanted if name not in CASES]
    if unknown:
        sys.exit(f"unknown case {unknown[0]}; known: {', '.join(CASES)}")
    versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    results = {name: CASES[name]() for name in wanted or CASES}
    print(json.dumps({"versions": versions, "unit": "seconds of CPU of one thread", "cases": results}))
