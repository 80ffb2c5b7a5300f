"""A ModernBERT's weights as two ONNX graphs: `plain` and `fused`, as in graphs.py.

Both are given position ids that begin at 2, as RoBERTa's do, so that all graphs take the same: the tables
of rotary positions have two rows before the first.
"""

import numpy as np
from onnx import TensorProto, helper

from graphs import MICROSOFT, Graph

# Rows of the tables before that of the first token.
BEFORE = 2
# Added where a token must not attend; fp16 holds it.
FAR = -10000


class ModernGraph(Graph):
    """A graph with ModernBERT's parts."""

    def norm(self, x, name):
        """LayerNorm without a bias."""
        return self.op("LayerNormalization", x, self.weight(f"{name}.weight"), axis=-1,
                       epsilon=self.config["norm_eps"])

    def rotary_table(self, theta, of):
        """[positions, half a head]: the cosine or sine of each angle."""
        half = self.config["hidden_size"] // self.config["num_attention_heads"] // 2
        frequencies = theta ** -(np.arange(half) / half)
        positions = np.arange(self.config["max_position_embeddings"] + BEFORE) - BEFORE
        return of(np.outer(positions, frequencies))

    def tables(self, reach):
        """The cosines and sines of a kind of layers, as constants."""
        theta = self.config[f"{reach}_rope_theta"]
        return [self.constant(f"{reach}_{of.__name__}", self.rotary_table(theta, of).astype(self.dtype))
                for of in (np.cos, np.sin)]

    def window(self, mask):
        """[batch, 1, tokens, tokens]: `mask`, and far below for what lies outside the window."""
        tokens = self.op("Gather", self.op("Shape", "input_ids"), self.constant("one", np.array(1, np.int64)))
        zero, one = self.constant("zero", np.array(0, np.int64)), self.constant("one", np.array(1, np.int64))
        places = self.op("Range", zero, tokens, one)
        distance = self.op("Abs", self.op("Sub", self.op("Unsqueeze", places, self.whole(1)),
                                          self.op("Unsqueeze", places, self.whole(0))))
        reach = self.constant("reach", np.array(self.config["local_attention"] // 2, np.int64))
        outside = self.op("Cast", self.op("Greater", distance, reach), to=helper.np_dtype_to_tensor_dtype(self.dtype))
        return self.op("Add", mask, self.op("Mul", outside, self.number(FAR)))

    def halves(self, x):
        """The two halves of the last axis."""
        first = self.op("Split", x, axis=-1, outputs=2)
        self.nodes[-1].output[1] = f"{first}_second"
        return first, f"{first}_second"

    def feed_forward(self, x, at, gelu):
        """GELU of one half of the inputs, times the other."""
        value, gate = self.halves(self.matmul(self.norm(x, f"{at}.mlp_norm"), f"{at}.mlp.Wi"))
        return self.matmul(self.op("Mul", gelu(value), gate), f"{at}.mlp.Wo")

    def erf_gelu(self, y):
        erf = self.op("Erf", self.op("Div", y, self.number(2**0.5)))
        return self.op("Mul", self.op("Mul", y, self.op("Add", erf, self.number(1))), self.number(0.5))

    def gelu(self, y):
        return self.op("Gelu", y, domain=MICROSOFT)

    def body(self, attention, gelu):
        """All layers around `attention(x, at, reach)`."""
        words = self.op("Gather", self.weight("model.embeddings.tok_embeddings.weight"), "input_ids")
        x = self.norm(words, "model.embeddings.norm")
        for layer in range(self.config["num_hidden_layers"]):
            at = f"model.layers.{layer}"
            reach = "local" if layer % self.config["global_attn_every_n_layers"] else "global"
            y = x if layer == 0 else self.norm(x, f"{at}.attn_norm")
            y = self.matmul(attention(self.matmul(y, f"{at}.attn.Wqkv"), reach), f"{at}.attn.Wo")
            x = self.op("Add", x, y)
            x = self.op("Add", x, self.feed_forward(x, at, gelu))
        x = self.norm(x, "model.final_norm")
        first = self.op("Gather", x, self.constant("first", np.array(0, np.int64)), axis=1)
        y = self.norm(gelu(self.matmul(first, "head.dense")), "head.norm")
        logit = self.linear(y, "classifier")
        self.nodes.append(helper.make_node("Cast", [logit], ["logits"], to=TensorProto.FLOAT))


def plain(config, tensors, dtype):
    """As an exporter writes it."""
    graph = ModernGraph(config, tensors, dtype)
    heads = config["num_attention_heads"]
    size = config["hidden_size"] // heads
    everywhere = graph.mask()
    masks = {"global": everywhere, "local": graph.window(everywhere)}
    rotations = {}
    for reach in masks:
        # Both halves of a head turn by the same angles.
        rows = [graph.op("Unsqueeze", graph.op("Gather", table, "position_ids"), graph.whole(1))
                for table in graph.tables(reach)]
        rotations[reach] = [graph.op("Concat", row, row, axis=-1) for row in rows]

    def turn(x, reach):
        first, second = graph.halves(x)
        turned = graph.op("Concat", graph.op("Neg", second), first, axis=-1)
        cos, sin = rotations[reach]
        return graph.op("Add", graph.op("Mul", x, cos), graph.op("Mul", turned, sin))

    def attention(qkv, reach):
        parts = graph.op("Transpose", graph.op("Reshape", qkv, graph.whole(0, 0, 3, heads, size)), perm=[2, 0, 3, 1, 4])
        q, k, v = (graph.op("Gather", parts, graph.constant(f"part_{part}", np.array(part, np.int64)), axis=0)
                   for part in range(3))
        keys = graph.op("Transpose", turn(k, reach), perm=[0, 1, 3, 2])
        scores = graph.op("MatMul", turn(q, reach), keys)
        scores = graph.op("Add", graph.op("Mul", scores, graph.number(size**-0.5)), masks[reach])
        y = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), v)
        return graph.op("Reshape", graph.op("Transpose", y, perm=[0, 2, 1, 3]), graph.whole(0, 0, heads * size))

    graph.body(attention, graph.erf_gelu)
    return graph.model("plain")


def fused(config, tensors, dtype):
    """With the fused operators that onnxruntime's WebGPU backend has."""
    graph = ModernGraph(config, tensors, dtype)
    heads = config["num_attention_heads"]
    tokens = graph.op("Gather", graph.op("Shape", "input_ids"), graph.whole(1))
    shape = graph.op("Concat", graph.whole(1), graph.whole(heads), tokens, tokens, axis=0)
    everywhere = graph.mask()
    # Its attention takes no padding mask there, but a bias for every head, query and key.
    masks = {"global": graph.op("Expand", everywhere, shape),
             "local": graph.op("Expand", graph.window(everywhere), shape)}
    tables = {reach: graph.tables(reach) for reach in masks}

    def attention(qkv, reach):
        q = graph.op("Split", qkv, axis=-1, outputs=3)
        k, v = f"{q}_k", f"{q}_v"
        graph.nodes[-1].output[1:] = [k, v]
        turned = [graph.op("RotaryEmbedding", x, "position_ids", *tables[reach], domain=MICROSOFT, num_heads=heads)
                  for x in (q, k)]
        return graph.op("MultiHeadAttention", *turned, v, "", "", masks[reach], domain=MICROSOFT, num_heads=heads)

    graph.body(attention, graph.gelu)
    return graph.model("fused")
