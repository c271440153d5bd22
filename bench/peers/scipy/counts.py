"""Iterations of scipy.sparse.linalg.cg on systems that any language can make, for __test__/fixtures/solvers/scipy.

usage: counts.py > __test__/fixtures/solvers/scipy/cases.json

An iteration is one update of x, as SciPy's callback counts them; SciPy stops at a recurrence residual <= rtol ||b||.
The formulas are those of the fixture's README; products of integers below 2^53 with one constant, so that their rounding
is the same everywhere.
"""
import json
import platform

import numpy as np
import scipy
import scipy.sparse as sparse
import scipy.sparse.linalg as krylov

RTOL = 1e-8


def noise(n, key):
    k = np.arange(1, n + 1, dtype=float)
    return np.modf(k * (k + 1000 * key) * 0.6180339887498949)[0] - 0.5


def poisson(m):
    """Five-point matrix of -Laplace on m x m inner points, zero boundary, step 1."""
    line = sparse.diags_array([-np.ones(m - 1), 2 * np.ones(m), -np.ones(m - 1)], offsets=[-1, 0, 1])
    eye = sparse.eye_array(m)
    return (sparse.kron(line, eye) + sparse.kron(eye, line)).tocsr()


def incomplete_cholesky(a):
    """L with the pattern of a's lower triangle and (L L^T)_ij = a_ij on it; a dictionary of rows."""
    n = a.shape[0]
    rows = []
    for i in range(n):
        start, end = a.indptr[i], a.indptr[i + 1]
        given = {int(j): float(v) for j, v in zip(a.indices[start:end], a.data[start:end]) if j <= i}
        row = {}
        for j in sorted(given):
            other = rows[j] if j < i else row
            value = given[j] - sum(row[k] * other[k] for k in row if k < j and k in other)
            row[j] = value / rows[j][j] if j < i else value ** 0.5
        rows.append(row)
    entries = [(i, j, v) for i, row in enumerate(rows) for j, v in row.items()]
    i, j, v = zip(*entries)
    return sparse.csr_array((v, (i, j)), shape=(n, n))


def reflected(values, complex_numbers):
    """P3 P2 P1 diag(values) P1 P2 P3 with reflections P = I - 2 v v^H / ||v||^2."""
    n = len(values)
    a = np.diag(values).astype(complex if complex_numbers else float)
    for key in (1, 2, 3):
        v = noise(n, key) + (1j * noise(n, key + 10) if complex_numbers else 0)
        v = v / np.linalg.norm(v)
        a = a - 2 * np.outer(v, v.conj() @ a)
        a = a - 2 * np.outer(a @ v, v.conj())
    return (a + a.conj().T) / 2


def count(a, b, inverse=None):
    iterations = [0]

    def step(_):
        iterations[0] += 1

    m = None if inverse is None else krylov.LinearOperator(a.shape, matvec=inverse, dtype=a.dtype)
    x, info = krylov.cg(a, b, rtol=RTOL, atol=0, M=m, maxiter=20 * len(b), callback=step)
    return {
        "iterations": iterations[0],
        "info": int(info),
        "trueResidual": float(np.linalg.norm(b - a @ x) / np.linalg.norm(b)),
    }


def grids():
    m = 64
    plain = poisson(m)
    d = sparse.diags_array(2.0 ** np.round(6 * noise(m * m, 4)))
    for name, a in (("poisson", plain), ("scaled", (d @ plain @ d).tocsr())):
        b = noise(m * m, 5)
        diagonal = a.diagonal()
        lower = incomplete_cholesky(a).tocsr()
        factor = krylov.splu(lower.tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0, options={"SymmetricMode": True})
        yield {
            "name": name,
            "m": m,
            "jacobi": count(a, b, lambda r: r / diagonal),
            "ic0": count(a, b, lambda r: factor.solve(factor.solve(r), trans="T")),
            **({"none": count(a, b)} if name == "poisson" else {}),
        }


def definite():
    n = 1000
    for complex_numbers in (False, True):
        for kappa in (10, 1e3, 1e6):
            a = reflected(kappa ** (np.arange(n) / (n - 1)), complex_numbers)
            b = noise(n, 6) + (1j * noise(n, 7) if complex_numbers else 0)
            yield {"n": n, "kappa": kappa, "complex": complex_numbers, **count(a, b)}


if __name__ == "__main__":
    versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    print(json.dumps({"rtol": RTOL, "versions": versions, "grids": list(grids()), "definite": list(definite())}, indent=1))
