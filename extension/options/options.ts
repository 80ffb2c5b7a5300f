/** The options page. A change applies at once. */
import { engineClient } from "../engine/client.js";
import { changeSettings, onSettings, readSettings, type Settings } from "../settings.js";
import { byId, onClick } from "../ui/dom.js";
import { ModelView } from "../ui/model.js";
import { onPermissions } from "../ui/places.js";
import { TeachView } from "../ui/teach.js";
import { inBytes } from "../ui/words.js";
import { showKeys } from "./keys.js";
import { LessonsView } from "./lessons.js";
import { ModelChooser } from "./models.js";
import { SitesView } from "./sites.js";
import { StoredView } from "./stock.js";

/** What each way of holding weights means. */
const WEIGHTS: Record<Settings["dtype"], string> = {
  auto: "Cappy-large in 4 bits, other models as they are stored.",
  f16: "Two bytes a weight. Needs an adapter that reads f16, which most do.",
  f32: "Two bytes a weight, unpacked while reading. Runs on every adapter, slower on some.",
  q8: "Half of the graphics memory. Scores change a little.",
  q4: "A third of the graphics memory. Scores change more: ranks of answers that are close may change.",
};
const SAME_DOWNLOAD = "A download is as large with all of them: weights are rounded while they load.";

/** How long "Saved" stands on the page, in ms. */
const SHOWN = 2500;

const engine = engineClient();
const model = new ModelView(byId("model", HTMLElement), engine);
const stored = new StoredView(engine);
const sites = new SitesView(save);
const teach = new TeachView(byId("teach", HTMLElement), engine);
const lessons = new LessonsView(engine);
const chooser = new ModelChooser(engine, model, () => void stored.refresh());

const dtype = byId("dtype", HTMLSelectElement);
const idle = byId("idle", HTMLInputElement);
const on = byId("on", HTMLInputElement);
const learn = byId("learn", HTMLInputElement);
const badges = [...document.querySelectorAll<HTMLInputElement>('input[name="badge"]')];

dtype.addEventListener("change", () => void save({ dtype: dtype.value as Settings["dtype"] }));
idle.addEventListener("change", () => {
  if (idle.reportValidity() && idle.value !== "") void save({ idleMinutes: idle.valueAsNumber });
});
on.addEventListener("change", () => void save({ on: on.checked }));
learn.addEventListener("change", () => void save({ learn: learn.checked }));
for (const radio of badges) {
  radio.addEventListener("change", () => void save({ badge: radio.value as Settings["badge"] }));
}
onClick("load", () => void model.load());
onClick("unload", () => void engine.unload().catch(() => {}));
model.onChange(() => {
  const { phase } = model.state;
  byId("load", HTMLElement).hidden = phase !== "idle";
  byId("unload", HTMLElement).hidden = phase !== "ready";
});
byId("own-size", HTMLElement).textContent = inBytes(OWN_MODEL_BYTES);
byId("version", HTMLElement).textContent = `Version ${chrome.runtime.getManifest().version}`;
void showKeys();
onPermissions(() => void stored.refresh());
onSettings(show);
show(await readSettings());
void stored.refresh();

function show(settings: Settings): void {
  dtype.value = settings.dtype;
  byId("dtype-help", HTMLElement).textContent = `${WEIGHTS[settings.dtype]} ${SAME_DOWNLOAD}`;
  // Not while the user is writing in it.
  if (document.activeElement !== idle) idle.value = String(settings.idleMinutes);
  on.checked = settings.on;
  learn.checked = settings.learn;
  for (const radio of badges) radio.checked = radio.value === settings.badge;
  void sites.show(settings);
  chooser.show(settings);
  teach.show(settings);
  lessons.show(settings);
  void stored.refresh();
}

async function save(change: Partial<Settings>): Promise<void> {
  await changeSettings(change);
  const toast = byId("saved", HTMLElement);
  toast.textContent = "Saved";
  setTimeout(() => {
    toast.textContent = "";
  }, SHOWN);
}
