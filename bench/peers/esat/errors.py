"""Runs a few of ESAT's bootstrap runs and displaces a few elements, and prints their CPU seconds as JSON.

usage: errors.py VALUES UNCERTAINTIES FACTORS RUNS ELEMENTS   (elements are spread evenly over the profiles)
"""
import json
import logging
import sys
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
import numpy as np
from esat.data.datahandler import DataHandler
from esat.error.bootstrap import Bootstrap
from esat.error.displacement import Displacement
from esat.model.sa import SA

values, uncertainties = sys.argv[1], sys.argv[2]
factors, runs, elements = (int(word) for word in sys.argv[3:6])
handler = DataHandler(input_path=values, uncertainty_path=uncertainties, index_col="Date")
V, U = handler.get_data()
# The defaults of a batch, as in run.py.
sa = SA(V=V, U=U, factors=factors, method="ls-nmf", seed=42, verbose=False)
sa.initialize()
sa.train(max_iter=20000, converge_delta=0.1, converge_n=100)

start = time.process_time()
Bootstrap(sa=sa, feature_labels=handler.features, bootstrap_n=runs, parallel=False).run()
bootstrap = (time.process_time() - start) / runs

# One species at a time: its own loop over all elements crashes where factors times species exceed 127.
species = V.shape[1]
lower = []
start = time.process_time()
for at in np.linspace(0, factors * species - 1, elements).astype(int):
    factor, column = int(at) // species, int(at) % species
    displacement = Displacement(sa=sa, feature_labels=handler.features, features=[column], parallel=False)
    for push in (displacement._increase_disp_p, displacement._decrease_disp_p):
        for level in push((1, factor, column))[2].values():
            lower.append(bool(level["Q_drop"] > 0))
displacement = (time.process_time() - start) / elements
print(json.dumps({
    "bootstrap": bootstrap,
    "displacement": displacement,
    "elements": factors * species,
    "refits": len(lower),
    "belowBase": sum(lower),
}))
