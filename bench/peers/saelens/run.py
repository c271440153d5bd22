"""Loads a dictionary with SAELens, and arrays with NumPy and safetensors; prints one JSON document.

usage: run.py FOLDER   (what saelens.ts wrote: sae/, jump/, rows.npy, rows32.npy, rows.safetensors)
"""
import json
import os
import pathlib
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import sae_lens
import torch
from safetensors.numpy import load_file
from sae_lens import SAE

folder = pathlib.Path(sys.argv[1])
rows = np.load(folder / "rows.npy")
result = {
    "versions": {"sae-lens": sae_lens.__version__, "torch": torch.__version__, "numpy": np.__version__},
    "rows": {"dtype": str(rows.dtype), "fortran": not rows.flags["C_CONTIGUOUS"], "values": rows.tolist()},
    "rows32": {"dtype": str(np.load(folder / "rows32.npy").dtype), "values": np.load(folder / "rows32.npy").tolist()},
    "safetensors": {name: {"dtype": str(a.dtype), "shape": list(a.shape), "values": a.ravel().tolist()} for name, a in load_file(folder / "rows.safetensors").items()},
}
with torch.no_grad():
    for name in ("sae", "jump"):
        sae = SAE.load_from_disk(str(folder / name))
        codes = sae.encode(torch.from_numpy(rows).float())
        result[name] = {
            "architecture": sae.cfg.architecture(),
            "model": sae.cfg.metadata.model_name,
            "codes": codes.tolist(),
            "reconstruction": sae.decode(codes).tolist(),
        }
print(json.dumps(result))
