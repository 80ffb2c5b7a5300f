"""Trains cappy-mini from nothing: data, tokenizer, weights. See README.md.

    python train.py --out OUT --fall F --steps N

Everything is made from tasks/ and english.txt. The same seed gives the same data,
tokenizer and start; with --fall and --steps the clock has no say.
"""

import argparse
import json
import os
import tempfile
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from rouge_score import rouge_scorer
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import RobertaConfig, RobertaForSequenceClassification

from start import pinned, start_weights
from tasks import FAMILIES, OFF_TOPIC, Sampler

HERE = os.path.dirname(os.path.abspath(__file__))
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
PAD = 1


def make_rouge():
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    return lambda ref, s: scorer.score(ref, s)["rougeL"].fmeasure


def banned():
    """The instructions of hand_written.json, which must not be trained on."""
    path = os.path.join(HERE, "hand_written.json")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [x["instruction"].strip() for x in json.load(f)]


def train_tokenizer(seed, vocab):
    """Byte-level BPE as RoBERTa has it, learned from the instructions and from common English."""
    r = Sampler(seed + 1, "train", OFF_TOPIC, banned())
    rouge = make_rouge()
    texts = []
    for _ in range(30_000):
        instruction, group = r.group(rouge)
        texts.append(instruction)
        texts += [s for s, _ in group]
    with open(os.path.join(HERE, "english.txt"), encoding="utf-8") as f:
        english = f.read().split()
    for word in english:
        texts += [" " + word] * 60 + [word, word.capitalize()] * 6
    for n in range(100):
        texts += [f"{n} {n}"] * 60
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True)
    t.decoder = decoders.ByteLevel()
    special = [AddedToken(s, normalized=False, special=True, lstrip=s == "<mask>") for s in SPECIAL]
    t.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return t


def make_data(seed, groups, tok, limit, progress=True):
    """Groups of labelled pairs as flat arrays: token ids, pair starts, labels, group starts."""
    r = Sampler(seed + 2, "train", OFF_TOPIC, banned())
    rouge = make_rouge()
    seen = set()
    ids, pair_len, labels, group_len = [], [], [], []
    start = time.time()
    while len(group_len) < groups:
        pairs, sizes = [], []
        for _ in range(5000):
            instruction, g = r.group(rouge)
            fresh = [(s, y) for s, y in g if hash((instruction, s)) not in seen]
            if not fresh or fresh[0][1] != 1.0 or len(fresh) < 2:
                continue
            r.r.shuffle(fresh)
            seen.update(hash((instruction, s)) for s, _ in fresh)
            pairs += [(instruction, s) for s, _ in fresh]
            labels += [y for _, y in fresh]
            sizes.append(len(fresh))
        for e in tok.encode_batch(pairs):
            x = e.ids[:limit]
            ids.append(np.array(x, np.uint16))
            pair_len.append(len(x))
        group_len += sizes
    if progress:
        print(f"data: {len(group_len)} groups, {len(labels)} pairs, {sum(pair_len)} tokens, "
              f"{np.mean(labels):.2f} mean label, {time.time() - start:.0f} s", flush=True)
    return np.concatenate(ids), np.cumsum([0] + pair_len), np.array(labels, np.float32), np.cumsum([0] + group_len)


def batches(data, seed, tokens, rank, workers):
    """One worker's batches of whole groups of like length: (ids, labels, group of each pair)."""
    ids, pair_at, labels, group_at = data
    longest = np.maximum.reduceat(np.diff(pair_at), group_at[:-1])
    rng = np.random.default_rng(seed)
    while True:
        yield from epoch(rng, ids, pair_at, labels, group_at, longest, tokens, rank, workers)


def epoch(rng, ids, pair_at, labels, group_at, longest, tokens, rank, workers):
    n = len(group_at) - 1
    order = rng.permutation(n)
    plan = []
    chunk = 8192
    for i in range(0, n, chunk):
        part = order[i : i + chunk]
        part = part[np.argsort(longest[part], kind="stable")]
        some, current, width, count = [], [], 0, 0
        for g in part:
            k = group_at[g + 1] - group_at[g]
            if current and (count + k) * max(width, longest[g]) > tokens:
                some.append(current)
                current, width, count = [], 0, 0
            current.append(g)
            width, count = max(width, longest[g]), count + k
        some.append(current)
        rng.shuffle(some)
        plan += some
    for groups in plan[rank : len(plan) // workers * workers : workers]:
        pairs = np.concatenate([np.arange(group_at[g], group_at[g + 1]) for g in groups])
        owner = np.repeat(np.arange(len(groups)), [group_at[g + 1] - group_at[g] for g in groups])
        lens = pair_at[pairs + 1] - pair_at[pairs]
        out = np.full((len(pairs), lens.max()), PAD, np.int64)
        for row, p in enumerate(pairs):
            out[row, : lens[row]] = ids[pair_at[p] : pair_at[p + 1]]
        yield torch.from_numpy(out), torch.from_numpy(labels[pairs]), torch.from_numpy(owner)


def forward(model, ids, stored=lambda x: x):
    """What the Hugging Face model computes, with the last layer for <s> only. `check` compares the two.

    `stored` sees every number that cappy keeps in f16 between two kernels.
    """
    c = model.config
    e = model.roberta.embeddings
    mask = ids != PAD
    pos = torch.cumsum(mask, 1) * mask + PAD
    h = e.word_embeddings(ids) + e.position_embeddings(pos) + e.token_type_embeddings.weight[0]
    h = stored(e.LayerNorm(h))
    b, t, d = h.shape
    heads = c.num_attention_heads
    bias = torch.zeros(b, 1, 1, t).masked_fill(~mask[:, None, None, :], -1e9)
    split = lambda x: stored(x).view(b, -1, heads, d // heads).transpose(1, 2)
    layers = model.roberta.encoder.layer
    for i, layer in enumerate(layers):
        a = layer.attention.self
        rows = h[:, :1] if i == len(layers) - 1 else h
        o = F.scaled_dot_product_attention(split(a.query(rows)), split(a.key(h)), split(a.value(h)), attn_mask=bias)
        o = stored(o.transpose(1, 2).reshape(b, -1, d))
        h = stored(layer.attention.output.LayerNorm(rows + layer.attention.output.dense(o)))
        f = stored(F.gelu(layer.intermediate.dense(h)))
        h = stored(layer.output.LayerNorm(h + layer.output.dense(f)))
    k = model.classifier
    return k.out_proj(stored(torch.tanh(k.dense(h[:, 0]))))[:, 0]


def rounding(x, size=2.0**-8):
    """Sixteen times the error that f16 makes at most, by chance instead of by rounding."""
    return x * (1 + size * torch.randn_like(x))


def odd_pairs(rng, count, vocab, limit):
    """Pairs of tokens by chance, half of them out of single bytes: what no task has and a page may hold."""
    out = np.full((count, limit), PAD, np.int64)
    for row in out:
        cut = np.minimum(rng.geometric(rng.choice([0.03, 0.2]), 2) - 1, (limit - 4) // 2)
        top = len(SPECIAL) + 256 if rng.random() < 0.5 else vocab
        a, b = (rng.integers(len(SPECIAL), top, n) for n in cut)
        x = np.concatenate([[0], a, [2, 2], b, [2]])
        row[: len(x)] = x
    return torch.from_numpy(out[:, : (out != PAD).sum(1).max()])


def moved(model, ids, noisy):
    """Mean square of what rounding moves. The scores without it are the target, not a way for gradients."""
    with torch.no_grad():
        still = forward(model, ids)
    return F.mse_loss(noisy, still)


def check(model, ids):
    with torch.no_grad():
        model.eval()
        ours = forward(model, ids)
        theirs = model(input_ids=ids, attention_mask=(ids != PAD).long()).logits[:, 0]
    assert (ours - theirs).abs().max() < 1e-4, (ours - theirs).abs().max()


def loss_of(scores, labels, owner, sharpness=5.0, ranking=0.5):
    """Mean squared error on correctness, and a term that the right candidates win their group."""
    mse = F.mse_loss(scores, labels)
    n = int(owner[-1]) + 1
    e = torch.exp(sharpness * (scores - scores.detach().mean()).clamp(-4, 4))
    all_ = torch.zeros(n).index_add(0, owner, e)
    good = torch.zeros(n).index_add(0, owner, e * (labels == 1.0))
    return mse, mse + ranking * (torch.log(all_) - torch.log(good)).mean()


def save(model, tok, out):
    """Weights rounded to f16, the config and the tokenizer."""
    os.makedirs(out, exist_ok=True)
    state = {k: v.detach().to(torch.float16).contiguous() for k, v in model.state_dict().items() if "position_ids" not in k}
    save_file(state, os.path.join(out, "model.safetensors"), metadata={"format": "pt"})
    c = model.config
    config = {
        "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
        "vocab_size": c.vocab_size, "hidden_size": c.hidden_size, "num_hidden_layers": c.num_hidden_layers,
        "num_attention_heads": c.num_attention_heads, "intermediate_size": c.intermediate_size, "hidden_act": "gelu",
        "max_position_embeddings": c.max_position_embeddings, "type_vocab_size": 1, "layer_norm_eps": 1e-05,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.02,
        "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "position_embedding_type": "absolute",
        "problem_type": "regression", "num_labels": 1, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0},
        "torch_dtype": "float16"}
    with open(os.path.join(out, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f, indent=2)
        f.write("\n")
    tok.save(os.path.join(out, "tokenizer.json"))
    settings = {"tokenizer_class": "RobertaTokenizer", "model_max_length": c.max_position_embeddings - 2,
                "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>",
                "pad_token": "<pad>", "mask_token": "<mask>", "add_prefix_space": False, "trim_offsets": True,
                "added_tokens_decoder": {str(i): token.__getstate__() for i, token in tok.get_added_tokens_decoder().items()}}
    with open(os.path.join(out, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump(settings, f, indent=2)
        f.write("\n")


def make_model(tok, hidden, layers, ffn, positions, seed, data):
    torch.manual_seed(seed)
    config = RobertaConfig(
        vocab_size=tok.get_vocab_size(), hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=hidden // 32,
        intermediate_size=ffn, hidden_act="gelu", max_position_embeddings=positions, type_vocab_size=1, layer_norm_eps=1e-5,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=1, problem_type="regression",
        bos_token_id=0, pad_token_id=1, eos_token_id=2)
    model = RobertaForSequenceClassification(config)
    start_weights(model, tok, seed, data)
    return model


def learn(rank, args, tok_json, data, mark):
    """One of the worker processes: its share of every step's batches, gradients summed over all of them."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method="file://" + mark, rank=rank, world_size=args.workers)
    tok = Tokenizer.from_str(tok_json)
    model = make_model(tok, args.hidden, args.layers, args.ffn, args.positions, args.seed, data)
    if args.resume:
        model.load_state_dict(load_file(os.path.join(args.resume, "model.safetensors")))
    weights = list(model.parameters())
    if rank == 0:
        print(f"parameters: {sum(w.numel() for w in weights) / 1e6:.2f} M", flush=True)
    pins = pinned(model)
    optimizer = torch.optim.AdamW(weights, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    fall, steps = args.fall, args.steps
    rng = np.random.default_rng(args.seed + rank)
    torch.manual_seed(args.seed + rank)
    start, mean_mse, tokens, right, step = time.time(), 0.0, 0, 0.0, 0
    for batch in batches(data, args.seed, args.tokens, rank, args.workers):
        ids, labels, owner = batch
        if step == 0:
            check(model, ids[:8])
            model.train()
        # Up, level, down to zero. The last phase begins at --fall, or when --minutes says so.
        down = 1.0 if not fall else max(0.0, (steps - step) / (steps - fall)) if step >= fall else 1.0
        for g in optimizer.param_groups:
            g["lr"] = args.lr * min(1.0, (step + 1) / args.warmup) * down
        scores = forward(model, ids, rounding)
        mse, loss = loss_of(scores, labels, owner)
        odd = odd_pairs(rng, args.odd, tok.get_vocab_size(), args.positions - 2)
        shaken = moved(model, ids, scores), moved(model, odd, forward(model, odd, rounding))
        loss = loss + args.steady * min(1.0, step / 400) * sum(shaken)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        grads = [w.grad if w.grad is not None else torch.zeros_like(w) for w in weights]
        late = torch.tensor([float(args.minutes > 0 and not fall and time.time() - start > 60 * args.minutes * 0.7)])
        flat = torch.cat([g.reshape(-1) for g in grads] + [late, mse.detach()[None]])
        dist.all_reduce(flat)
        flat /= args.workers
        at = 0
        for w in weights:
            w.grad = flat[at : at + w.numel()].view_as(w)
            at += w.numel()
        for w, where in pins:
            w.grad[where] = 0.0
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        if not fall and flat[at] > 0:
            fall, steps = step + 1, int((step + 1) / 0.7)
            if rank == 0:
                print(f"to repeat this run: --fall {fall} --steps {steps}", flush=True)
        tokens += ids.numel() * args.workers
        rate = max(0.01, 1 / (step + 1))
        mean_mse += rate * (flat[at + 1].item() - mean_mse)
        if rank == 0:
            with torch.no_grad():
                top = torch.full((int(owner[-1]) + 1,), -1e9).scatter_reduce(0, owner, scores, "amax")
                won = torch.zeros_like(top).index_add(0, owner, ((scores >= top[owner]) & (labels == 1.0)).float())
                right += rate * (won.clamp(max=1).mean().item() - right)
            if step % 50 == 0:
                spent = time.time() - start
                print(f"step {step} mse {mean_mse:.4f} top1 {right:.3f} moved {shaken[0]:.1e} odd {shaken[1]:.1e} {tokens / spent:.0f} tokens/s {spent:.0f} s", flush=True)
            if step % 500 == 499:
                save(model, tok, args.out)
        step += 1
        if fall and step >= steps:
            break
    if rank == 0:
        check(model, ids[:8])
        save(model, tok, args.out)
        print(f"steps: {step}, tokens: {tokens}, mse {mean_mse:.4f}, top1 {right:.3f}", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default=HERE)
    p.add_argument("--resume", help="go on from the weights in this folder")
    p.add_argument("--seed", type=int, default=20231106)
    p.add_argument("--vocab", type=int, default=4096)
    p.add_argument("--hidden", type=int, default=128)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--ffn", type=int, default=384)
    p.add_argument("--positions", type=int, default=258)
    p.add_argument("--groups", type=int, default=65_000, help="instances made; seen once, or again if the steps outlast them")
    p.add_argument("--tokens", type=int, default=1024, help="tokens a batch and worker, padding included")
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--warmup", type=int, default=150, help="steps")
    p.add_argument("--fall", type=int, default=0, help="the step at which the learning rate begins to fall")
    p.add_argument("--steps", type=int, default=0, help="the step at which it reaches zero")
    p.add_argument("--minutes", type=float, default=0, help="instead of --fall and --steps: let the clock decide")
    p.add_argument("--steady", type=float, default=16.0, help="weight of the mean square by which rounding moves scores")
    p.add_argument("--odd", type=int, default=6, help="pairs of random tokens a step and worker")
    p.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    args = p.parse_args()
    torch.set_num_threads(1)
    began = time.time()
    tok = train_tokenizer(args.seed, args.vocab)
    print(f"tokenizer: {tok.get_vocab_size()} tokens, {time.time() - began:.0f} s; {len(FAMILIES)} families", flush=True)
    data = make_data(args.seed, args.groups, tok, args.positions - 2)
    with tempfile.TemporaryDirectory() as folder:
        mp.start_processes(learn, (args, tok.to_str(), data, os.path.join(folder, "meet")), args.workers, start_method="fork")
    print(f"done in {time.time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
