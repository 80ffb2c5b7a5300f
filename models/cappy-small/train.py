"""Trains cappy-small, and goes on from its last checkpoint whenever it is started again.

    python train.py --out OUT --pairs 300000

Stop it with SIGTERM (`kill PID`): it writes a checkpoint first. See README.md.
"""

import os

# Fresh memory for every tensor costs more than the arithmetic; this keeps it. It must be set before the process starts.
KEEP = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592", "MALLOC_TOP_PAD_": "67108864", "OMP_NUM_THREADS": "1"}
if __name__ == "__main__" and any(os.environ.get(k) != v for k, v in KEEP.items()):
    import sys
    os.execve(sys.executable, [sys.executable] + sys.argv, os.environ | KEEP)

import argparse
import json
import signal
import tempfile
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F

from data import SHARES, Mixture
from model import forward, freeze, load_model, load_tokenizer, pad, save_model
from quantise import StraightThrough, plan, round_model


def batches(mixture, tok, args, chunk, at, rank):
    """Endless batches of whole groups of like length: (chunk, place, encoded pairs, labels, group of each pair)."""
    while True:
        groups = mixture.chunk(args.seed, chunk, args.chunk)
        texts = [(g[2], s) for g in groups for s, _ in g[3]]
        labels = [y for g in groups for _, y in g[3]]
        encoded = tok.encode_batch(texts)
        starts = np.cumsum([0] + [len(g[3]) for g in groups])
        longest = [max(len(e.ids) for e in encoded[starts[i] : starts[i + 1]]) for i in range(len(groups))]
        plan, current, width, count = [], [], 0, 0
        for g in np.argsort(longest, kind="stable"):
            k = starts[g + 1] - starts[g]
            if current and (count + k) * max(width, longest[g]) > args.tokens:
                plan.append(current)
                current, width, count = [], 0, 0
            current.append(g)
            width, count = max(width, longest[g]), count + k
        plan.append(current)
        np.random.default_rng([args.seed, chunk]).shuffle(plan)
        for place in range(at + rank, len(plan) // args.workers * args.workers, args.workers):
            pairs = [p for g in plan[place] for p in range(starts[g], starts[g + 1])]
            owner = [i for i, g in enumerate(plan[place]) for _ in range(starts[g], starts[g + 1])]
            yield chunk, place, [encoded[p] for p in pairs], torch.tensor([labels[p] for p in pairs]), torch.tensor(owner)
        chunk, at = chunk + 1, 0


def loss_of(scores, labels, owner, kind, sharpness=6.0, ranking=0.3):
    """(squared error, loss): how far from correctness, and how clearly the right responses win their group."""
    mse = F.mse_loss(scores, labels)
    if kind == "mse":
        return mse, mse
    same = owner[:, None] == owner[None, :]
    if kind == "pair":
        gap = (labels[:, None] - labels[None, :]).clamp(min=0) * same
        lost = F.softplus(-sharpness * (scores[:, None] - scores[None, :]))
        return mse, mse + ranking * (lost * gap).sum() / gap.sum().clamp(min=1e-6)
    logits = torch.where(same, sharpness * scores[None, :], -1e9)
    everyone = torch.logsumexp(logits, 1)
    right = torch.logsumexp(torch.where(labels[None, :] == 1.0, logits, -1e9), 1)
    each = torch.zeros(int(owner[-1]) + 1).scatter(0, owner, everyone - right)  # one number a group
    return mse, mse + ranking * each.mean()


def rate(step, args, decay_from):
    """Up, level; and down to zero over --decay steps once a decay has begun."""
    up = min(1.0, (step + 1) / args.warmup)
    return up if decay_from is None else up * max(0.0, 1 - (step - decay_from) / args.decay)


def write_checkpoint(path, **what):
    torch.save(what, path + ".part")
    os.replace(path + ".part", path)


def work(rank, args, meet):
    torch.set_num_threads(1)
    if args.workers > 1:
        dist.init_process_group("gloo", init_method="file://" + meet, rank=rank, world_size=args.workers)
    stop = []
    signal.signal(signal.SIGTERM, (lambda *_: stop.append(1)) if rank == 0 else signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))
    model, tok = load_model(args.start), load_tokenizer(longest=args.longest)
    freeze(model, args.learn)
    rounding = None
    if args.round:
        # What does not learn is rounded once; what learns is seen rounded at every step.
        parts = plan(model, layers=args.round)
        round_model(model, {n: p for n, p in parts.items() if not dict(model.named_parameters())[n].requires_grad})
        rounding = StraightThrough(model, {n: p for n, p in parts.items() if dict(model.named_parameters())[n].requires_grad})
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    ema = [w.detach().clone() for w in weights]
    step = pairs_seen = chunk = at = 0
    decay_from = None
    path = os.path.join(args.out, "checkpoint.pt")
    if os.path.exists(path):
        c = torch.load(path, weights_only=True)
        with torch.no_grad():
            for w, e, n in zip(weights, ema, names):
                w.copy_(c["weights"][n])
                e.copy_(c["ema"][n])
        optimizer.load_state_dict(c["optimizer"])
        step, pairs_seen, chunk, at, decay_from = c["step"], c["pairs"], c["chunk"], c["at"], c["decay_from"]
        if rank == 0:
            print(f"resumed at step {step}, {pairs_seen} pairs, chunk {chunk} batch {at}", flush=True)
    if args.decay and decay_from is None:
        decay_from = step
    shares = dict(SHARES, **json.loads(args.shares))
    source = batches(Mixture(shares=shares, longest=args.instruction, short=args.short), tok, args, chunk, at, rank)

    def save():
        if rank == 0:
            named = lambda xs: dict(zip(names, [x.detach() for x in xs]))
            write_checkpoint(path, weights=named(weights), ema=named(ema), optimizer=optimizer.state_dict(), step=step,
                             pairs=pairs_seen, chunk=chunk, at=at, decay_from=decay_from, args=vars(args))
            save_model(model.state_dict() | named(ema), model, os.path.join(args.out, "ema"))
            print(f"checkpoint at step {step}, {pairs_seen} pairs", flush=True)

    mean = np.zeros(3)
    saved = logged = time.time()
    logged_pairs = pairs_seen
    while True:
        for g in optimizer.param_groups:
            g["lr"] = args.lr * rate(step, args, decay_from)
        chunk, place, encoded, labels, owner = next(source)
        if rounding:
            rounding.renew(model)
        scores = forward(model, *pad(encoded), weight=rounding.weight if rounding else lambda m: m.weight)
        mse, loss = loss_of(scores, labels, owner, args.loss)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        with torch.no_grad():
            top = torch.full((int(owner[-1]) + 1,), -1e9).scatter_reduce(0, owner, scores, "amax")
            won = torch.zeros_like(top).index_add(0, owner, ((scores >= top[owner]) & (labels == 1.0)).float()).clamp(max=1).mean()
        last = bool(args.pairs and pairs_seen >= args.pairs) or decay_from is not None and step - decay_from >= args.decay
        due = time.time() - saved > 60 * args.every
        notes = torch.tensor([float(bool(stop) or last), float(due), len(labels), mse.item(), loss.item(), won.item()])
        flat = torch.cat([w.grad.reshape(-1) for w in weights] + [notes if rank == 0 else notes * torch.tensor([0, 0, 1, 1, 1, 1])])
        if args.workers > 1:
            dist.all_reduce(flat)
        notes, flat = flat[-6:].tolist(), flat[:-6] / args.workers
        p = 0
        for w in weights:
            w.grad = flat[p : p + w.numel()].view_as(w)
            p += w.numel()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(ema, [w.detach() for w in weights], max(1 - args.ema, 1 / (step + 1)))
        at = place - rank + args.workers
        step, pairs_seen = step + 1, pairs_seen + int(notes[2])
        now = np.array(notes[3:]) / args.workers
        mean += max(0.01, 1 / step) * (now - mean) if mean.any() else now
        if rank == 0 and (step % 25 == 0 or notes[0]):
            speed = (pairs_seen - logged_pairs) / (time.time() - logged)
            logged, logged_pairs = time.time(), pairs_seen
            print(f"step {step} pairs {pairs_seen} mse {mean[0]:.4f} loss {mean[1]:.4f} right {mean[2]:.3f} "
                  f"lr {optimizer.param_groups[0]['lr']:.1e} {speed:.1f} pairs/s {time.strftime('%H:%M:%S')}", flush=True)
        if rank == 0 and pairs_seen // args.snapshot > (pairs_seen - int(notes[2])) // args.snapshot:
            save_model(model.state_dict() | dict(zip(names, ema)), model, os.path.join(args.out, f"at-{pairs_seen // args.snapshot * args.snapshot}"))
        if notes[0] or notes[1]:
            save()
            saved = time.time()
        if notes[0]:
            break


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", required=True, help="folder of the checkpoint; training goes on from what is there")
    p.add_argument("--start", help="begin with the weights in this folder, not with the base")
    p.add_argument("--pairs", type=int, default=0, help="stop after so many pairs in all; 0: go on until stopped")
    p.add_argument("--decay", type=int, default=0, help="let the learning rate fall to zero over so many steps from here, then stop")
    p.add_argument("--lr", type=float, default=1e-4)
    p.add_argument("--warmup", type=int, default=100, help="steps")
    p.add_argument("--loss", choices=["mse", "pair", "list"], default="list")
    p.add_argument("--learn", choices=["all", "top3", "head"], default="all")
    p.add_argument("--round", choices=["q8", "q4"], help="train for the shipped form: the layers' matrices are seen rounded, the word table is q4")
    p.add_argument("--shares", default="{}", help="changes of the mixture's shares, as JSON")
    p.add_argument("--tokens", type=int, default=2048, help="tokens of a batch, padding included; a step is one batch of every worker")
    p.add_argument("--longest", type=int, default=256, help="tokens of a pair at most")
    p.add_argument("--instruction", type=int, default=1100, help="characters of an instruction at most")
    p.add_argument("--short", type=int, default=400, help="instructions of more characters are drawn less often, by their length")
    p.add_argument("--chunk", type=int, default=768, help="groups that are sorted by length together")
    p.add_argument("--ema", type=float, default=0.998)
    p.add_argument("--every", type=float, default=15, help="minutes between checkpoints")
    p.add_argument("--snapshot", type=int, default=5000, help="keep the averaged weights each time so many pairs more were seen")
    p.add_argument("--workers", type=int, default=2, help="processes of one thread each: threads that wait for each other waste a busy machine")
    p.add_argument("--seed", type=int, default=20261128)
    args = p.parse_args()
    os.makedirs(args.out, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        meet = os.path.join(folder, "meet")
        others = [mp.get_context("spawn").Process(target=work, args=(rank, args, meet), daemon=True) for rank in range(1, args.workers)]
        for o in others:
            o.start()
        work(0, args, meet)
        for o in others:
            o.join()


if __name__ == "__main__":
    main()
