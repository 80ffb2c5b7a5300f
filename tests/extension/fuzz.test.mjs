// Messages between the extension's parts, broken at random: a hostile page's process can send anything. Whatever
// comes, reading it throws nothing, takes no long time, and what is accepted is what the receivers rely on.
// CAPPY_FUZZ_INPUTS says how many messages of each kind are tried; scripts/fuzz tries a million.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import * as v from "valibot";
import { bundleText } from "../../extension/build.mjs";

const INPUTS = Number(process.env.CAPPY_FUZZ_INPUTS ?? 1_000);
const KINDS = ["ToEngine", "FromEngine", "ToBackground", "ToOffscreen", "ToPages", "ToContent", "PageReport", "Known"];
/** The longest that reading one message may compute. Time on the clock would be that of a machine that does much else. */
const MOST_MS = 500;

let schemas, seed;
before(async () => {
  const code = await bundleText("messages.ts");
  schemas = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  seed = 1;
});

/** The next of numbers that are always the same, below `below`. */
function random(below) {
  seed = (seed + 0x9e3779b9) >>> 0;
  let mixed = Math.imul(seed ^ (seed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return ((mixed ^ (mixed >>> 15)) >>> 0) % below;
}
const one = (list) => list[random(list.length)];

/** Texts that the patterns of the schemas accept, among others. */
const TEXTS = ["", "dog", "owner/name@main", "https://example.org/m", "my-lessons", "__proto__", "constructor"];

/** A value that a schema may accept. */
function valid(schema) {
  switch (schema.type) {
    case "variant":
    case "union":
      return valid(one(schema.options));
    case "strict_object":
      return Object.fromEntries(Object.entries(schema.entries).map(([name, entry]) => [name, valid(entry)]));
    case "array":
      return Array.from({ length: 1 + random(3) }, () => valid(schema.item));
    case "record":
      return { a: random(9), badge: "rank" };
    case "nullable":
      return random(3) === 0 ? null : valid(schema.wrapped);
    case "optional":
      return valid(schema.wrapped);
    case "literal":
      return schema.literal;
    case "picklist":
      return one(schema.options);
    case "boolean":
      return random(2) === 0;
    case "number":
      return 1 + random(9);
    case "string":
      return one(TEXTS);
    case "unknown":
      return one([1, "x", null, { a: [1] }]);
  }
  throw new Error(`a schema of type ${schema.type}: add it here`);
}

/** Values that stand where something else is expected. */
const ODD = [
  () => null,
  () => undefined,
  () => NaN,
  () => -0,
  () => -1,
  () => 1e308,
  () => 2 ** 53,
  () => 0.5,
  () => "",
  () => "\ud800",
  () => "a".repeat(20_001),
  () => `${"a/".repeat(10_000)}@`,
  () => "-".repeat(100_000),
  () => [],
  () => Array(257).fill("a"),
  () => Object.assign(Array(3), { 7: "a" }),
  () => ({}),
  () => JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}'),
  () => new Date(0),
  () => new Map([["type", "load"]]),
  () => new Error("x"),
  () => 10n,
  () => true,
  () => {
    const circle = {};
    circle.circle = circle;
    return circle;
  },
];

/** Changes something inside a message. */
function mutate(value) {
  if (value === null || typeof value !== "object" || random(6) === 0) return one(ODD)();
  const keys = Object.keys(value);
  if (keys.length === 0) return one(ODD)();
  const key = one(keys);
  switch (random(6)) {
    case 0:
      delete value[key];
      break;
    case 1:
      value[one(["extra", "constructor", "toString", "__proto__", "0"])] = one(ODD)();
      break;
    case 2:
      value[key] = value[one(keys)];
      break;
    default:
      value[key] = mutate(value[key]);
  }
  return value;
}

/** What receivers take for granted of a message that was accepted, said once more and apart from the schemas. */
function relyOn(kind, message) {
  if (kind === "Known") return assert.equal(message.ok, true);
  if (kind === "PageReport") return assert.ok(message.answers >= 0 && Number.isInteger(message.answers));
  assert.equal(message.v, 1);
  assert.equal(typeof message.type, "string");
  const texts = [message.instruction, message.answer, ...(message.answers ?? [])].filter((each) => each !== undefined);
  for (const text of texts) assert.ok(typeof text === "string" && text.length <= 20_000);
  if (message.answers) assert.ok(message.answers.length >= 1 && message.answers.length <= 256);
  if (kind === "ToEngine") assert.ok(Number.isInteger(message.id) && message.id >= 1);
  if (message.settings?.model?.kind === "url") assert.match(message.settings.model.url, /^https?:/);
  if (message.settings?.model?.kind === "folder") assert.doesNotMatch(message.settings.model.name, /[/\\]/);
}

for (const kind of KINDS) {
  test(`${kind}: whatever comes, what is accepted is what was meant`, (t) => {
    const schema = schemas[kind];
    let accepted = 0;
    for (let tried = 0; tried < INPUTS; tried++) {
      let message = valid(schema);
      for (let times = random(4); times > 0; times--) message = mutate(message);
      const start = process.cpuUsage();
      const { success, output } = v.safeParse(schema, message);
      const { user, system } = process.cpuUsage(start);
      const took = (user + system) / 1000;
      assert.ok(took < MOST_MS, `${took} ms for message number ${tried}`);
      if (!success) continue;
      accepted++;
      relyOn(kind, output);
      assert.ok(v.is(schema, output), "what was accepted is accepted again");
    }
    assert.equal(/** @type {any} */ ({}).polluted, undefined);
    assert.ok(accepted > INPUTS / 10 && accepted < INPUTS, `${accepted} of ${INPUTS} accepted`);
    t.diagnostic(`${INPUTS} messages, of which ${accepted} were accepted`);
  });
}
