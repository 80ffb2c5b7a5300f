/**
 * Lets the page work without a network. Answers from the network are cached; without a network the cached ones are
 * used. Models from other servers are cached by the package itself.
 */

/**
 * The files that ranking with the page's own model needs: `all` always, `gpu` or `cpu` by the device. The build fills them in.
 * @type {{ all: string[], gpu: string[], cpu: string[] }}
 */
const FILES = { all: [], gpu: [], cpu: [] };

/** Matches the files of this page in its folder, where there may be other ones, such as large models. */
const OWN = /^([\w.-]*|(cappy-web|cappy-bench)\/[\w./-]+)$/;

/** TypeScript's types for service workers conflict with those for pages. */
const scope = /** @type {any} */ (self);
/** @type {string} */
const folder = scope.registration.scope;
// The caches are shared by all pages of an origin.
const CACHE = `cappy page ${folder}`;

scope.addEventListener("install", () => scope.skipWaiting());
scope.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(scope.clients.claim()));

// The page sends the device when its first model is loaded, so that only the files for that device are cached.
scope.addEventListener("message", (/** @type {any} */ event) => {
  event.waitUntil(
    keepAll([...FILES.all, ...FILES[/** @type {"gpu" | "cpu"} */ (event.data.device)]]).then(() =>
      event.source?.postMessage({ stored: true }),
    ),
  );
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
  await Promise.all(
    files.map(async (file) => {
      const url = folder + file;
      // The page has just fetched most of them, so the browser's own cache may still have them.
      if (!(await cache.match(url))) await keep(cache, url, await fetch(url, { cache: "force-cache" }));
    }),
  );
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
      // Where there is no space for the cache, the page works with a network.
      event.waitUntil(
        caches
          .open(CACHE)
          .then((cache) => keep(cache, url, copy))
          .catch(() => {}),
      );
    }
    return response;
  } catch (error) {
    const cached = await caches.match(url, { cacheName: CACHE, ignoreVary: true });
    if (!cached) throw error;
    return request.method === "HEAD" ? new Response(null, cached) : cached;
  }
}

/**
 * Caches a whole answer. The package requests models as a range from their first byte on, and servers answer with a
 * part that is the whole file.
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
