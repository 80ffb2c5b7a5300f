import { byId } from "./dom.js";

/**
 * Stores this page and its own model for use without a network, where the browser can, and shows that.
 * @param {"gpu" | "cpu"} device what computes here
 */
export async function keepForOffline(device) {
  // Only secure pages have service workers, and not all private windows.
  const workers = navigator.serviceWorker;
  if (!workers) return;
  workers.addEventListener("message", ({ data }) => {
    byId("offline", HTMLElement).hidden = !data.stored;
  });
  try {
    await workers.register("sw.js");
    const { active } = await workers.ready;
    active?.postMessage({ device });
  } catch {
    // Without it the page works, but needs its server at each visit.
  }
}
