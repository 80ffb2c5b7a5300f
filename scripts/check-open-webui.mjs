// Shows the extension's badges on the real front end of Open WebUI, which its fixture only imitates. By hand, because
// the wheel that holds the front end is 106 MB; CI does not run it. Nothing of it is installed but its files.
//
//   pip download --no-deps --dest /tmp open-webui
//   scripts/build-extension
//   node scripts/check-open-webui.mjs /tmp/open_webui-*.whl [FOLDER FOR PICTURES]
//
// Instead of the wheel it takes the folder of the unpacked front end, which has index.html in it. The server's answers
// are made up here: a person, two models, and chats of every kind that the adapter has to know. It prints what was read
// and what the badges said, ends with an error where that is not what a person sees, and needs Python 3 to unpack.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import assert from "node:assert/strict";
import { badges, ranked } from "../tests/extension/fixtures/open.mjs";
import { openChromium, sleep, until } from "../tests/extension/harness.mjs";

const EGG = "How do I boil an egg for breakfast?";
const NOON = "The train leaves at noon.";
const EIGHT = "Put the egg into boiling water and wait about eight minutes.";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".wasm": "application/wasm",
};

const uuid = (number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
const USER = uuid(50);
const MODELS = ["small", "large"];

/** What stands before, around and after the words of an answer that says `words`. */
const adorned = (words) => ({
  content: `<details type="reasoning" done="true" duration="3">
<summary>Thought for 3 seconds</summary>
&gt; Let me think of trains.
</details>
${words}

\`\`\`python
print(1)
\`\`\`
`,
  statusHistory: [{ action: "web_search", description: "Searched the web", done: true, urls: ["http://127.0.0.1/a"] }],
  sources: [
    {
      source: { name: "A page about eggs" },
      document: ["Eggs."],
      metadata: [{ source: "http://127.0.0.1/a", name: "A page about eggs" }],
    },
  ],
  followUps: ["And how do I peel it?"],
  usage: { total_tokens: 12 },
});

/** A chat: prompts one after the other, each with the answers that the models gave. */
function chat(number, exchanges, { last = -1 } = {}) {
  const messages = {};
  let parent = null;
  let counter = number * 100;
  let now = 1_764_000_000;
  for (const { prompt, answers, sideBySide = true } of exchanges) {
    const user = uuid((counter += 1));
    const ids = answers.map(() => uuid((counter += 1)));
    const models = sideBySide ? MODELS.slice(0, answers.length) : MODELS.slice(0, 1);
    messages[user] = {
      id: user,
      parentId: parent,
      childrenIds: ids,
      role: "user",
      content: prompt,
      timestamp: (now += 60),
      models,
    };
    if (parent) messages[parent].childrenIds = [user];
    for (const [at, answer] of answers.entries()) {
      const model = sideBySide ? MODELS[at] : MODELS[0];
      messages[ids[at]] = {
        id: ids[at],
        parentId: user,
        childrenIds: [],
        role: "assistant",
        model,
        modelName: model,
        modelIdx: sideBySide ? at : 0,
        timestamp: (now += 60),
        done: true,
        ...(typeof answer === "string" ? { content: answer } : answer),
      };
    }
    parent = ids.at(last);
  }
  const id = uuid(number);
  const content = {
    id: "",
    title: "Eggs",
    models: MODELS,
    params: {},
    history: { messages, currentId: parent },
    messages: [],
    tags: [],
    files: [],
  };
  return {
    id,
    user_id: USER,
    title: "Eggs",
    chat: content,
    updated_at: now,
    created_at: now,
    share_id: null,
    archived: false,
    pinned: false,
    meta: {},
    folder_id: null,
  };
}

const CHATS = {
  sideBySide: chat(1, [{ prompt: EGG, answers: [NOON, EIGHT] }]),
  adorned: chat(2, [{ prompt: EGG, answers: [adorned(NOON), adorned(EIGHT)] }]),
  asked: chat(3, [
    { prompt: EGG, answers: [NOON], sideBySide: false },
    { prompt: EGG, answers: [EIGHT], sideBySide: false },
  ]),
  regenerated: chat(4, [{ prompt: EGG, answers: [NOON, EIGHT], sideBySide: false }]),
  unfinished: chat(5, [{ prompt: EGG, answers: [NOON, { content: EIGHT, done: false }] }]),
};

/** What the server answers, by path. Lists are empty, and everything else is not found. */
function answersOf(version, interfaceSettings) {
  const models = MODELS.map((id) => ({
    id,
    name: id,
    object: "model",
    created: 1,
    owned_by: "ollama",
    info: { id, meta: { capabilities: {} }, params: {} },
    actions: [],
    filters: [],
    tags: [],
  }));
  const answers = {
    "/api/config": {
      status: true,
      name: "Open WebUI",
      version,
      default_locale: "en-US",
      oauth: { providers: {} },
      features: { auth: true, enable_websocket: false },
      default_models: "",
      default_prompt_suggestions: [],
      audio: { tts: {}, stt: {} },
      file: {},
      permissions: {},
    },
    "/api/v1/auths/": {
      id: USER,
      email: "a@b.c",
      name: "A",
      role: "user",
      profile_image_url: "/user.png",
      token: "t",
      token_type: "Bearer",
      expires_at: null,
      permissions: { chat: {}, features: {}, workspace: {} },
    },
    "/api/models": { data: models },
    "/api/v1/users/user/settings": { ui: { version, ...interfaceSettings } },
    "/api/v1/auths/update/timezone": {},
    "/api/version": { version },
  };
  for (const name of [
    "configs/banners",
    "tools/",
    "chats/",
    "chats/all/tags",
    "chats/pinned",
    "folders/",
    "folders/shared",
    "functions/",
    "skills/",
  ])
    answers[`/api/v1/${name}`] = [];
  for (const one of Object.values(CHATS)) {
    answers[`/api/v1/chats/${one.id}`] = one;
    answers[`/api/v1/chats/${one.id}/tags`] = [];
    answers[`/api/tasks/chat/${one.id}`] = { task_ids: one === CHATS.unfinished ? ["task"] : [] };
  }
  return answers;
}

/** Serves the front end on loopback. `settings` are those of its interface, and may be changed. */
async function serve(front, version) {
  const site = { origin: "", settings: {}, unknown: new Set(), close: () => server.close() };
  const server = createServer(async ({ url, method }, response) => {
    const path = normalize(decodeURIComponent(new URL(url, "http://127.0.0.1").pathname));
    const json = (status, value) =>
      response.writeHead(status, { "content-type": TYPES[".json"] }).end(JSON.stringify(value));
    if (/^\/(api|ws|ollama|openai)\//.test(path)) {
      const answers = answersOf(version, site.settings);
      if (Object.hasOwn(answers, path)) return json(200, answers[path]);
      site.unknown.add(`${method} ${path}`);
      return json(404, { detail: "Not Found" });
    }
    // Any other path is the application's own.
    const file = extname(path) ? path : "/index.html";
    const body = await readFile(join(front, file)).catch(() => undefined);
    return body
      ? response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(body)
      : response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  site.origin = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  return site;
}

/** The folder of the front end, and its version, which the name of a wheel says. */
function unpacked(given, folder) {
  if (!given.endsWith(".whl")) return { front: given, version: "0.0.0" };
  const program =
    "import sys, zipfile; wheel = zipfile.ZipFile(sys.argv[1]); " +
    "wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if name.startswith('open_webui/frontend/')])";
  execFileSync("python3", ["-c", program, given, folder]);
  return { front: join(folder, "open_webui/frontend"), version: /open_webui-([^-]+)-/.exec(given)?.[1] ?? "0.0.0" };
}

const [given, pictures] = process.argv.slice(2);
if (!given || !existsSync(given)) throw new Error("Name the wheel of open-webui, or the folder of its front end");
if (pictures) await mkdir(pictures, { recursive: true });
const scratch = await mkdtemp(join(tmpdir(), "cappy-open-webui-"));
let site, host;
try {
  const { front, version } = unpacked(given, scratch);
  if (!existsSync(join(front, "index.html"))) throw new Error(`${front} has no index.html`);
  site = await serve(front, version);
  host = await openChromium();
  await host.grant(["http://127.0.0.1/*"]);
  const client = await host.openClient();
  await client.evaluate(() => client.load());
  await host.offscreen(() => {
    globalThis.asked = [];
    chrome.runtime.onConnect.addListener((port) => {
      if (!port.sender.tab || port.sender.url.startsWith("chrome-extension:")) return;
      port.onMessage.addListener(({ type, instruction, answers }) => {
        if (type === "score") globalThis.asked.push(...answers.map((answer) => [instruction, answer]));
      });
    });
  });
  await check(await host.context.newPage(), version);
} finally {
  await host?.close();
  site?.close();
  await rm(scratch, { recursive: true, force: true });
}

/** Opens each chat, and looks at what was read and at the badges. */
async function check(page, version) {
  await page.addInitScript(() => Object.assign(localStorage, { token: "t", locale: "en-US", theme: "light" }));
  const open = async (name) => {
    await page.goto(`${site.origin}/c/${CHATS[name].id}`);
    await page.locator(".chat-assistant").first().waitFor({ timeout: 60_000 });
  };
  const asked = () => host.offscreen(() => globalThis.asked.splice(0));
  const tell = async (what) => {
    console.log(
      what,
      (await badges(page)).map(({ said }) => said),
    );
    if (pictures) await page.screenshot({ path: join(pictures, `${what.replace(/\W+/g, "-")}.png`) });
  };
  // From left to right: a column that was chosen has a thicker border, and stands a little lower.
  const best = (all) => all.toSorted((a, b) => a.x - b.x).map((badge) => badge.best);
  /** Waits for one badge that is the second of two: the best one is not shown. */
  const second = () => ranked(page, 1, 30_000).then(([{ rank, of }]) => assert.deepEqual([rank, of], [2, 2]));

  console.log(`The front end of Open WebUI ${version}`);
  await open("sideBySide");
  assert.deepEqual(best(await ranked(page, 2, 60_000)), [false, true]);
  assert.deepEqual(
    await asked(),
    [
      [EGG, NOON],
      [EGG, EIGHT],
    ],
    "what is read",
  );
  await tell("Two models side by side");
  const columns = await page
    .locator(".snap-center")
    .evaluateAll((all) => all.map((column) => column.getAttribute("role")));
  console.log("The role of each column:", columns);
  await page.locator(".snap-center").first().getByText("small", { exact: true }).click();
  await sleep(4000);
  assert.deepEqual(best(await ranked(page, 2)), [false, true]);
  assert.deepEqual(await asked(), [], "what was clicked is not scored again");
  await tell("After a click on a column");

  await open("adorned");
  await ranked(page, 2, 60_000);
  assert.deepEqual(
    await asked(),
    [NOON, EIGHT].map((words) => [EGG, `${words}\nprint(1)`]),
    "what is read",
  );
  await page.getByText("small", { exact: true }).first().click();
  await sleep(2000);
  for (const part of ["Searched the web", "Thought for 3 seconds", "1 Source"])
    await page.getByText(part).first().click();
  await page.getByText("Let me think of trains.").waitFor();
  await sleep(4000);
  assert.equal((await ranked(page, 2)).length, 2);
  assert.deepEqual(await asked(), [], "what is opened is not read");
  await tell("Thoughts, searches, sources and code");

  await open("asked");
  // From top to bottom.
  assert.deepEqual(
    (await ranked(page, 2, 60_000)).map((badge) => badge.best),
    [false, true],
  );
  await tell("A prompt that was asked twice");

  await open("regenerated");
  await sleep(4000);
  await page.getByLabel("Previous message").click();
  await second();
  await tell("An answer that was made again");

  site.settings = { displayMultiModelResponsesInTabs: true };
  await open("sideBySide");
  await sleep(4000);
  await page.getByRole("button", { name: "small", exact: true }).click();
  await second();
  await tell("Two models in tabs");
  site.settings = {};

  await asked();
  await open("unfinished");
  await until(async () => (await badges(page)).some(({ rank }) => rank === 1), {
    what: "the finished answer's score",
    ms: 60_000,
  });
  await sleep(4000);
  assert.ok((await badges(page)).some(({ said }) => /not scored yet/.test(said)));
  assert.deepEqual(await asked(), [[EGG, NOON]], "an answer that is being written is not scored");
  await tell("An answer that is being written");
  console.log("Asked for and not there:", [...site.unknown]);
}
