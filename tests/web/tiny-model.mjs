// A random model that is scored in no time: its longest pair has 32 tokens, and so has a batch.

const [HIDDEN, INNER, LAYERS, POSITIONS] = [32, 32, 1, 34];

/** The files of the model, with the tokenizer of another one of `vocabulary` words. */
export function tinyModel(tokenizer, vocabulary) {
  const config = {
    architectures: ["RobertaForSequenceClassification"],
    model_type: "roberta",
    num_labels: 1,
    vocab_size: vocabulary,
    hidden_size: HIDDEN,
    num_hidden_layers: LAYERS,
    num_attention_heads: 2,
    intermediate_size: INNER,
    hidden_act: "gelu",
    max_position_embeddings: POSITIONS,
    type_vocab_size: 1,
    layer_norm_eps: 1e-5,
    pad_token_id: 1,
    bos_token_id: 0,
    eos_token_id: 2,
    id2label: { 0: "LABEL_0" },
  };
  return {
    "config.json": Buffer.from(JSON.stringify(config)),
    "tokenizer.json": tokenizer,
    "model.safetensors": safetensors(tensors(vocabulary)),
  };
}

function tensors(vocabulary) {
  const all = {};
  const norm = (name) => Object.assign(all, { [`${name}.weight`]: [HIDDEN], [`${name}.bias`]: [HIDDEN] });
  const dense = (name, to, from) => Object.assign(all, { [`${name}.weight`]: [to, from], [`${name}.bias`]: [to] });
  const embeddings = "roberta.embeddings";
  all[`${embeddings}.word_embeddings.weight`] = [vocabulary, HIDDEN];
  all[`${embeddings}.position_embeddings.weight`] = [POSITIONS, HIDDEN];
  all[`${embeddings}.token_type_embeddings.weight`] = [1, HIDDEN];
  norm(`${embeddings}.LayerNorm`);
  for (let i = 0; i < LAYERS; i += 1) {
    const layer = `roberta.encoder.layer.${i}`;
    for (const part of ["query", "key", "value"]) dense(`${layer}.attention.self.${part}`, HIDDEN, HIDDEN);
    dense(`${layer}.attention.output.dense`, HIDDEN, HIDDEN);
    norm(`${layer}.attention.output.LayerNorm`);
    dense(`${layer}.intermediate.dense`, INNER, HIDDEN);
    dense(`${layer}.output.dense`, HIDDEN, INNER);
    norm(`${layer}.output.LayerNorm`);
  }
  dense("classifier.dense", HIDDEN, HIDDEN);
  dense("classifier.out_proj", 1, HIDDEN);
  return all;
}

function safetensors(shapes) {
  const header = {};
  const values = [];
  let x = 1;
  for (const [name, shape] of Object.entries(shapes)) {
    const begin = values.length * 4;
    for (let left = shape.reduce((a, b) => a * b); left > 0; left -= 1) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      // Norms scale by about 1; the rest is between -0.5 and 0.5.
      values.push(x / 2 ** 32 - 0.5 + (name.endsWith("LayerNorm.weight") ? 1 : 0));
    }
    header[name] = { dtype: "F32", shape, data_offsets: [begin, values.length * 4] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.from(Float32Array.from(values).buffer)]);
}
