import { byId } from "./dom.js";

/** @typedef {{ saveData?: boolean, effectiveType?: string }} Connection what some browsers tell of the network */

const MODEL = "cappy-web/model/model.safetensors";

/**
 * Asks before the page's own model is downloaded, where people may pay for each megabyte or would wait long: the
 * browser is set to save data, or its connection is slow. A model that this browser has is not asked about.
 * @returns {Promise<void>} resolves when the download may begin
 */
export async function mayDownload() {
  if (!isMetered() || (await isKept())) return;
  const box = byId("metered", HTMLElement);
  const place = byId("model-facts", HTMLElement);
  box.hidden = false;
  place.hidden = true;
  await new Promise((resolve) => byId("metered-go", HTMLElement).addEventListener("click", resolve, { once: true }));
  box.hidden = true;
  place.hidden = false;
}

function isMetered() {
  const { connection } = /** @type {Navigator & { connection?: Connection }} */ (navigator);
  const isSlow = /^(slow-2g|2g|3g)$/.test(connection?.effectiveType ?? "");
  return connection?.saveData === true || isSlow || matchMedia("(prefers-reduced-data: reduce)").matches;
}

async function isKept() {
  try {
    return (await caches.match(new URL(MODEL, document.baseURI), { ignoreVary: true })) !== undefined;
  } catch {
    // Pages that are not secure have no caches.
    return false;
  }
}
