"""A top-k sparse autoencoder in PyTorch on the lane's synthetic superposition, for a bounded time.

usage: sae.py ATOMS SECONDS [rows=100000] [columns=512] [features=4096] [active=8] [batch=1024] [lr=...]

x^ = W_dec topk(W_enc(x - b) + b_enc) + b with decoder rows of unit norm, tied initialisation, Adam, an auxiliary loss on
latents that were idle for 100 steps, and the learning rate 2e-4/sqrt(K/2^14) unless one is given: L. Gao et al. (2024), "Scaling and
evaluating sparse autoencoders". float32 on two threads; prints a line an epoch. The rows are drawn from the same law as those of
`crates/manifold/examples/lane.rs`, not with the same numbers.
"""
import math
import resource
import sys
import time

import torch

atoms, seconds = int(sys.argv[1]), float(sys.argv[2])
options = dict(a.split("=") for a in sys.argv[3:])
rows, columns = int(options.get("rows", 100000)), int(options.get("columns", 512))
features, active = int(options.get("features", 4096)), int(options.get("active", 8))
torch.manual_seed(0)
torch.set_num_threads(2)
truth = torch.nn.functional.normalize(torch.randn(features, columns), dim=1)


def draw(count):
    support = torch.rand(count, features).topk(active, dim=1).indices
    out = 0.05 * torch.randn(count, columns)
    for j in range(active):
        out += (0.5 + torch.rand(count, 1)) * truth[support[:, j]]
    return out


data = torch.cat([draw(10000) for _ in range(rows // 10000)])
held = draw(4096)
bias = torch.nn.Parameter(data.mean(0).clone())
decoder = torch.nn.Parameter(torch.nn.functional.normalize(torch.randn(atoms, columns), dim=1))
encoder = torch.nn.Parameter(decoder.detach().clone())
encoder_bias = torch.nn.Parameter(torch.zeros(atoms))
rate = float(options.get("lr", 2e-4 / math.sqrt(atoms / 2**14)))
adam = torch.optim.Adam([bias, decoder, encoder, encoder_bias], lr=rate, eps=6.25e-10)
idle = torch.zeros(atoms)


def code(x):
    scores = (x - bias) @ encoder.T + encoder_bias
    values, support = scores.topk(active, dim=1)
    return scores, values.clamp(min=0), support


def decode(values, support):
    # A bag of decoder rows for each row: x^ = sum_j values_j decoder[support_j].
    return torch.nn.functional.embedding_bag(support, decoder, per_sample_weights=values, mode="sum")


def explained(x):
    with torch.no_grad():
        _, values, support = code(x)
        left = x - bias - decode(values, support)
        near = (truth @ torch.nn.functional.normalize(decoder, dim=1).T).max(1).values
        return 1 - (left.square().sum() / (x - x.mean(0)).square().sum()).item(), (near > 0.95).float().mean().item()


start, steps, batch, spent = time.time(), 0, int(options.get("batch", 1024)), 0.0
print(f"top-k SAE, K {atoms}, s {active}, lr {rate:.1e}", flush=True)
while spent < seconds:
    order = torch.randperm(rows)
    for at in range(0, rows - batch + 1, batch):
        begin = time.time()
        x = data[order[at : at + batch]]
        scores, values, support = code(x)
        left = x - bias - decode(values, support)
        loss = left.square().sum() / x.shape[0]
        idle += 1
        idle[support.flatten().unique()] = 0
        dead = idle > 100
        if dead.any():
            count = min(columns // 2, int(dead.sum()))
            masked = scores.masked_fill(~dead, -torch.inf)
            values2, support2 = masked.topk(count, dim=1)
            again = left.detach() - decode(values2.clamp(min=0), support2)
            loss = loss + again.square().sum() / x.shape[0] / 32
        adam.zero_grad()
        loss.backward()
        with torch.no_grad():
            decoder.grad -= (decoder.grad * decoder).sum(1, keepdim=True) * decoder
        adam.step()
        with torch.no_grad():
            decoder /= decoder.norm(dim=1, keepdim=True)
        steps += 1
        spent += time.time() - begin
        if spent >= seconds:
            break
    ev, recovered = explained(held)
    cpu = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    epochs = steps / (rows // batch)
    dead = (idle > 100).float().mean().item()
    print(
        f"epochs {epochs:5.1f} seconds {spent:6.1f} cpu {cpu:6.1f} held-out ev {ev:.4f} recovered {recovered:.4f}"
        f" dead {dead:.3f} peak {peak:.0f} MB",
        flush=True,
    )
