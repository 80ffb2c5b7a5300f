import { byId } from "./dom.js";

/**
 * Keeps this page and the demo model for times without a network, where the browser can, and says so.
 * @param {"gpu" | "cpu"} device what computes here
 */
export async function keepForOffline(device) {
  // Only secure pages have it, and not every private window.
  const workers = navigator.serviceWorker;
  if (!workers) return;
  workers.addEventListener("message", ({ data }) => {
    byId("offline", HTMLElement).hidden = !data.kept;
  });
  try {
    await workers.register("sw.js");
    const { active } = await workers.ready;
    active?.postMessage({ device });
  } catch {
    // Then the page needs its server at each visit, and says nothing else.
  }
}
