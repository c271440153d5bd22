"""Runs ESAT with its defaults on one data set and prints, as JSON, the CPU seconds and Q of one model.

usage: run.py VALUES UNCERTAINTIES FACTORS MODEL   (the model's number; seeds are 42, 43, …)
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
from esat.model.sa import SA

values, uncertainties, factors, model = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
handler = DataHandler(input_path=values, uncertainty_path=uncertainties, index_col="Date")
V, U = handler.get_data()
start = time.process_time()
# The defaults of a batch: least-squares multiplicative updates until Q fell by less than 0.1 in 100 iterations.
sa = SA(V=V, U=U, factors=factors, method="ls-nmf", seed=42 + model, verbose=False)
sa.initialize()
sa.train(max_iter=20000, converge_delta=0.1, converge_n=100)
cpu = time.process_time() - start
residual = (np.asarray(V, float) - np.asarray(sa.W, float) @ np.asarray(sa.H, float)) / np.asarray(U, float)
print(json.dumps({"cpu": cpu, "q": float((residual**2).sum()), "converged": bool(sa.converged)}))
