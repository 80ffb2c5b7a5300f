// Firefox with the built extension as a temporary add-on, in the manner of openChromium in harness.mjs:
//
//   const host = await openFirefox({ idleMs: 2000 });       // the browser's own idle time of event pages
//   await host.grant(["https://chatgpt.com/*"]);
//   const page = await host.openSite("https://chatgpt.com/c/1", "chatgpt.html");
//   const client = await host.openClient();                 // `client` is an engine client there
//   await host.backgroundState(); await host.endBackground();
//
// Pages are those of puppeteer. Nothing reaches the network.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { firefoxPath, lavapipe } from "../web/hosts.mjs";
import { fixtureFile as textOf } from "./fixtures/open.mjs";
import { built, clientScript, until } from "./harness.mjs";

const ID = "cappy@cappy-web";
/** Firefox draws one by lot otherwise. */
const UUID = "7b1f3f6e-3a0c-4f0e-9a53-6a7d1d2b9c10";

const PREFS = {
  "dom.webgpu.enabled": true,
  "dom.webgpu.workers.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
  "gfx.webgpu.force-enabled": true,
  "extensions.webextensions.uuids": JSON.stringify({ [ID]: UUID }),
  // Nobody is there to agree.
  "extensions.webextOptionalPermissionPrompts": false,
  // A proxy that is not there, for everything but loopback.
  "network.proxy.type": 1,
  "network.proxy.http": "127.0.0.1",
  "network.proxy.http_port": 9,
  "network.proxy.ssl": "127.0.0.1",
  "network.proxy.ssl_port": 9,
  "network.proxy.no_proxies_on": "127.0.0.1",
};

export async function openFirefox({ idleMs = 30_000 } = {}) {
  const { default: puppeteer } = await import("puppeteer-core");
  const home = await mkdtemp(join(tmpdir(), "cappy-firefox-"));
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: firefoxPath,
    headless: true,
    args: ["--remote-allow-system-access"],
    env: { ...process.env, ...lavapipe(), HOME: home, XDG_RUNTIME_DIR: home },
    extraPrefsFirefox: { ...PREFS, "extensions.background.idle.timeout": idleMs },
  });
  /** Puppeteer has no public name for what it speaks to the browser by. @type {any} */
  const { connection } = /** @type {any} */ (browser);
  await browser.installExtension(built("firefox"));
  const tree = await connection.send("browsingContext.getTree", { "moz:scope": "chrome" });
  const [{ context: chromeWindow }] = tree.result.contexts;
  const address = (path) => `moz-extension://${UUID}/${path}`;

  /** Runs a function with the browser's own rights. It gets the extension first. */
  async function privileged(act, ...args) {
    const expression = `(async () => {
      const value = await (${act})(WebExtensionPolicy.getByID("${ID}").extension, ...${JSON.stringify(args)});
      return JSON.stringify(value) ?? "null";
    })()`;
    const { result } = await connection.send("script.evaluate", {
      expression,
      awaitPromise: true,
      target: { context: chromeWindow },
    });
    if (result.type === "exception") throw new Error(result.exceptionDetails.text);
    return JSON.parse(result.result.value);
  }

  const host = {
    browser,
    address,
    privileged,

    /** Opens a page of the extension in a tab. Without a path, one that runs nothing by itself. */
    async openPage(path = "manifest.json") {
      const page = await browser.newPage();
      // No event says when such a page is loaded.
      await connection.send("browsingContext.navigate", {
        context: /** @type {any} */ (page.mainFrame())._id,
        url: address(path),
        wait: "none",
      });
      await until(
        () =>
          page
            .evaluate(() => document.readyState === "complete" && location.href)
            .then(
              (at) => at === address(path),
              () => false,
            ),
        { what: path },
      );
      return page;
    },

    /** A page of the extension with an engine client in it, as `client`. */
    async openClient() {
      const page = await host.openPage();
      await page.evaluate(
        `${await clientScript()}; globalThis.engine = engine; globalThis.client = engine.engineClient();`,
      );
      return page;
    },

    /** Opens a fixture, or `{ body }`, under an address of a real site. */
    async openSite(url, fixture) {
      const body = typeof fixture === "string" ? await textOf(fixture) : fixture.body;
      const page = await browser.newPage();
      await page.setRequestInterception(true);
      page.on("request", (request) => {
        request.respond(request.url() === url ? { body, contentType: "text/html; charset=utf-8" } : { status: 404 });
      });
      await page.goto(url);
      return page;
    },

    /** Grants hosts and the permission to run scripts, as if the user had agreed to both. */
    grant: (origins, permissions = ["scripting"]) =>
      privileged(
        async (extension, origins, permissions) => {
          const { ExtensionPermissions } = ChromeUtils.importESModule(
            "resource://gre/modules/ExtensionPermissions.sys.mjs",
          );
          await ExtensionPermissions.add(extension.id, { permissions, origins, data_collection: [] }, extension);
        },
        origins,
        permissions,
      ),

    /** `running`, `stopped`, or on the way. */
    backgroundState: () => privileged((extension) => extension.backgroundState),

    /** Ends the event page, as Firefox does with an idle one. */
    endBackground: () =>
      privileged((extension) =>
        extension.terminateBackground({ ignoreDevToolsAttached: true, disableResetIdleForTest: true }),
      ),

    async close() {
      await browser.close();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  await until(async () => (await host.backgroundState()) === "running", { what: "the event page" });
  return host;
}
