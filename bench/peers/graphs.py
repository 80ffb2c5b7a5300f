"""The same weights as two ONNX graphs.

`plain` is what an exporter makes of the model. `fused` is what onnxruntime's own optimiser for
transformers makes of that: attention, GELU and the residual sum with LayerNorm as one node each.

Both are given position ids and hand out the logit alone, which spares them a little work.
"""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

MICROSOFT = "com.microsoft"
IDS = ("input_ids", "attention_mask", "position_ids")


class Graph:
    """Nodes and weights as they are added; every method gives the name of its result."""

    def __init__(self, config, tensors, dtype):
        self.config = config
        self.tensors = tensors
        self.dtype = np.dtype(dtype)
        self.nodes = []
        self.weights = {}

    def weight(self, name, change=lambda array: array):
        """One of the checkpoint's tensors."""
        if name not in self.weights:
            self.constant(name, change(self.tensors[name]).astype(self.dtype))
        return name

    def constant(self, name, array):
        """A tensor that no checkpoint has."""
        self.weights[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def number(self, value):
        """A constant of the graph's own type."""
        return self.constant(f"number_{value}", np.array(value, self.dtype))

    def whole(self, *values):
        """Whole numbers: shapes, axes."""
        return self.constant("whole_" + "_".join(map(str, values)), np.array(values, np.int64))

    def op(self, kind, *inputs, outputs=1, domain=None, **attributes):
        """A node."""
        names = [f"{kind}_{len(self.nodes)}"] + [""] * (outputs - 1)
        self.nodes.append(helper.make_node(kind, inputs, names, names[0], domain=domain, **attributes))
        return names[0]

    def matmul(self, x, name):
        return self.op("MatMul", x, self.weight(f"{name}.weight", np.transpose))

    def linear(self, x, name):
        return self.op("Add", self.matmul(x, name), self.weight(f"{name}.bias"))

    def layer_norm(self, x, name):
        return self.op("LayerNormalization", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"),
                       axis=-1, epsilon=self.config["layer_norm_eps"])

    def embeddings(self):
        at = "roberta.embeddings"
        words, positions = (
            self.op("Gather", self.weight(f"{at}.{table}_embeddings.weight"), ids)
            for table, ids in (("word", "input_ids"), ("position", "position_ids"))
        )
        # There is one token type, so its row is a constant.
        both = self.op("Add", words, self.weight(f"{at}.token_type_embeddings.weight"))
        return self.layer_norm(self.op("Add", both, positions), f"{at}.LayerNorm")

    def mask(self):
        """[batch, 1, 1, tokens]: 0 for tokens, far below for padding."""
        mask = self.op("Unsqueeze", "attention_mask", self.whole(1, 2))
        mask = self.op("Cast", mask, to=helper.np_dtype_to_tensor_dtype(self.dtype))
        return self.op("Mul", self.op("Sub", self.number(1), mask), self.number(-10000))

    def head(self, x):
        first = self.op("Gather", x, self.constant("first", np.array(0, np.int64)), axis=1)
        logit = self.linear(self.op("Tanh", self.linear(first, "classifier.dense")), "classifier.out_proj")
        self.nodes.append(helper.make_node("Cast", [logit], ["logits"], to=TensorProto.FLOAT))

    def model(self, name):
        ids = [helper.make_tensor_value_info(ids, TensorProto.INT64, ["batch", "tokens"]) for ids in IDS]
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])
        graph = helper.make_graph(self.nodes, name, ids, [logits], list(self.weights.values()))
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        checker.check_model(model)
        return model


def plain(config, tensors, dtype):
    """As an exporter writes it."""
    graph = Graph(config, tensors, dtype)
    heads = config["num_attention_heads"]
    size = config["hidden_size"] // heads
    x = graph.embeddings()
    mask = graph.mask()
    for layer in range(config["num_hidden_layers"]):
        at = f"roberta.encoder.layer.{layer}"

        def split(name, order):
            y = graph.linear(x, f"{at}.attention.self.{name}")
            return graph.op("Transpose", graph.op("Reshape", y, graph.whole(0, 0, heads, size)), perm=order)

        scores = graph.op("MatMul", split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]))
        scores = graph.op("Add", graph.op("Div", scores, graph.number(size**0.5)), mask)
        y = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), split("value", [0, 2, 1, 3]))
        y = graph.op("Reshape", graph.op("Transpose", y, perm=[0, 2, 1, 3]), graph.whole(0, 0, heads * size))
        y = graph.linear(y, f"{at}.attention.output.dense")
        x = graph.layer_norm(graph.op("Add", y, x), f"{at}.attention.output.LayerNorm")
        y = graph.linear(x, f"{at}.intermediate.dense")
        erf = graph.op("Erf", graph.op("Div", y, graph.number(2**0.5)))
        y = graph.op("Mul", graph.op("Mul", y, graph.op("Add", erf, graph.number(1))), graph.number(0.5))
        y = graph.linear(y, f"{at}.output.dense")
        x = graph.layer_norm(graph.op("Add", y, x), f"{at}.output.LayerNorm")
    graph.head(x)
    return graph.model("plain")


def fused(config, tensors, dtype):
    """With the fused operators that onnxruntime's WebGPU backend has."""
    graph = Graph(config, tensors, dtype)
    x = graph.embeddings()
    # Its attention takes no padding mask there, but a bias for every head, query and key.
    tokens = graph.op("Gather", graph.op("Shape", "input_ids"), graph.whole(1))
    heads = graph.whole(config["num_attention_heads"])
    shape = graph.op("Concat", graph.whole(1), heads, tokens, graph.whole(1), axis=0)
    bias = graph.op("Expand", graph.mask(), shape)

    def add_and_norm(y, skip, name):
        inputs = [graph.weight(f"{name}.LayerNorm.weight"), graph.weight(f"{name}.LayerNorm.bias"),
                  graph.weight(f"{name}.dense.bias")]
        return graph.op("SkipLayerNormalization", y, skip, *inputs, domain=MICROSOFT,
                        epsilon=config["layer_norm_eps"])

    for layer in range(config["num_hidden_layers"]):
        at = f"roberta.encoder.layer.{layer}"
        parts = [f"{at}.attention.self.{name}" for name in ("query", "key", "value")]
        biases = np.concatenate([tensors[f"{part}.bias"] for part in parts]).astype(graph.dtype)
        y = graph.op("MultiHeadAttention", *(graph.matmul(x, part) for part in parts),
                     graph.constant(f"{at}.biases", biases), "", bias,
                     domain=MICROSOFT, num_heads=config["num_attention_heads"])
        x = add_and_norm(graph.matmul(y, f"{at}.attention.output.dense"), x, f"{at}.attention.output")
        y = graph.matmul(x, f"{at}.intermediate.dense")
        y = graph.op("BiasGelu", y, graph.weight(f"{at}.intermediate.dense.bias"), domain=MICROSOFT)
        x = add_and_norm(graph.matmul(y, f"{at}.output.dense"), x, f"{at}.output")
    graph.head(x)
    return graph.model("fused")
