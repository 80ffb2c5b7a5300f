/**
 * Lets the page work without a network. What the network gives is passed on and kept; where there is
 * no network, what was kept last is given. Models from elsewhere are the package's own business.
 */

/**
 * What ranking with the demo model needs: always, and by what computes. The build writes it.
 * @type {{ all: string[], gpu: string[], cpu: string[] }}
 */
const FILES = { all: [], gpu: [], cpu: [] };

/** Files of this page, from its folder: others that lie there, such as somebody's models, may be large. */
const OWN = /^([\w.-]*|(cappy-web|cappy-bench|models\/cappy-mini-q\d)\/[\w./-]+)$/;

/** The types of service workers do not go together with those of pages. */
const scope = /** @type {any} */ (self);
/** @type {string} */
const folder = scope.registration.scope;
// Several pages may share an origin, and its caches.
const CACHE = `cappy page ${folder}`;

scope.addEventListener("install", () => scope.skipWaiting());
scope.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(scope.clients.claim()));

// The page tells what computes when its first model is there, so that no browser keeps both.
scope.addEventListener("message", (/** @type {any} */ event) => {
  event.waitUntil(keepAll([...FILES.all, ...FILES[/** @type {"gpu" | "cpu"} */ (event.data.device)]])
    .then(() => event.source?.postMessage({ kept: true })));
});

scope.addEventListener("fetch", (/** @type {any} */ event) => {
  const { method, url } = event.request;
  if ((method === "GET" || method === "HEAD") && isOwn(url)) event.respondWith(answer(event));
});

/** @param {string} url */
function isOwn(url) {
  return url.startsWith(folder) && OWN.test(plain(url).slice(folder.length));
}

/** @param {string} url */
function plain(url) {
  return url.replace(/[?#].*/, "");
}

/** @param {string[]} files */
async function keepAll(files) {
  const cache = await caches.open(CACHE);
  await Promise.all(files.map(async (file) => {
    const url = folder + file;
    // The page has just fetched most of them: the browser's own cache may have them still.
    if (!(await cache.match(url))) await keep(cache, url, await fetch(url, { cache: "force-cache" }));
  }));
}

/** @param {any} event */
async function answer(event) {
  const { request } = event;
  const url = plain(request.url);
  try {
    /** @type {Response} */
    const response = await fetch(request);
    if (request.method === "GET") {
      const copy = response.clone();
      // Without room the page works all the same.
      event.waitUntil(caches.open(CACHE).then((cache) => keep(cache, url, copy)).catch(() => {}));
    }
    return response;
  } catch (error) {
    const kept = await caches.match(url, { cacheName: CACHE, ignoreVary: true });
    if (!kept) throw error;
    return request.method === "HEAD" ? new Response(null, kept) : kept;
  }
}

/**
 * Keeps a whole answer. The package asks for models from their first byte on, which servers answer
 * with a part that is the whole.
 * @param {Cache} cache
 * @param {string} url
 * @param {Response} response
 */
async function keep(cache, url, response) {
  if (response.redirected) return;
  const [, last, all] = /^bytes 0-(\d+)\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? [];
  const isWhole = response.status === 200 || (response.status === 206 && Number(last) + 1 === Number(all));
  if (!isWhole) return;
  const headers = new Headers(response.headers);
  headers.delete("content-range");
  await cache.put(url, new Response(response.body, { headers }));
}
