"""One lane of gamfit on one problem: what it says about the rows that it was not fitted to, as JSON.

usage: run.py curved|block LIMIT < problem.json   (train and test row after row, cols, atoms, active; LIMIT in seconds of CPU)

block: `block_sparse_dictionary_fit`, planes with two signed numbers a code; its defaults, and if it does not converge in their 30 passes,
again with 3000. curved: `sae_manifold_fit` with circles and top-k routing, the choice under which it fares best here.
"""
import json
import resource
import sys
import time

lane, limit = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
import numpy as np
from gamfit import sae

problem = json.load(sys.stdin)
rows = {name: np.array(problem[name]).reshape(-1, problem["cols"]) for name in ("train", "test")}
train, test, atoms, active = rows["train"], rows["test"], problem["atoms"], problem["active"]
start = time.process_time()
if lane == "block":
    status = "converged"
    try:
        fit = sae.block_sparse_dictionary_fit(train, atoms, block_topk=active)
    except Exception:
        status = "converged in more than 30 passes"
        fit = sae.block_sparse_dictionary_fit(train, atoms, block_topk=active, max_epochs=3000)
    cpu = time.process_time() - start
    blocks, gates, codes = (np.asarray(x) for x in fit.transform(test))
    frames = [np.asarray(fit.block_frame(g)) for g in range(atoms)]
    fitted = np.zeros_like(test)
    support, phases = [], []
    for n in range(len(test)):
        on = [j for j in range(blocks.shape[1]) if gates[n, j] > 0]
        for j in on:
            fitted[n] += codes[n, j] @ frames[blocks[n, j]]
        support.append([int(blocks[n, j]) for j in on])
        phases.append([float(np.arctan2(codes[n, j, 1], codes[n, j, 0]) / (2 * np.pi)) for j in on])
else:
    fit = sae.sae_manifold_fit(train, atoms, d_atom=1, atom_topology="circle", assignment="topk", top_k=active)
    cpu = time.process_time() - start
    # Its documentation names the coordinates but not their key.
    said = fit.converged_latents(test)
    coords = next(value for name, value in said.items() if "coord" in name)
    coords = [np.asarray(c).reshape(len(test), -1)[:, 0] for c in coords]
    fitted, weights = np.asarray(fit.reconstruct(test)), np.asarray(fit.encode(test))
    status = str(fit.termination)
    support = [[k for k in range(weights.shape[1]) if weights[n, k] > 0] for n in range(len(test))]
    phases = [[float(coords[k][n]) for k in on] for n, on in enumerate(support)]
print(json.dumps({"cpu": cpu, "status": status, "support": support, "phases": phases, "fitted": fitted.ravel().tolist()}))
