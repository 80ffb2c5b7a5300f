import { CappyError } from "../error.js";
import { isNode } from "../gpu.js";
import type { ModelSource, SourceOptions } from "../types.js";
import { shown } from "./http.js";
import { type PlainSource, sendable, type SentFile } from "./picked.js";

/** A folder whose files have addresses. */
export interface Folder {
  /** Its name, in messages and in the cache. */
  name: string;
  /** The address of a file; `null` where it is known to have none of this name. */
  url(file: string): string | null;
  /** Whether its files may be cached. Those that come with the package or are on the disk are not. */
  cacheable: boolean;
  /** Whether the caller's headers are sent with requests to it. */
  takesHeaders: boolean;
}

const HUB = "https://huggingface.co";

/** Matches what can only be an address or a path, and not a hub id. */
const ADDRESS = /^([a-z][a-z0-9+.-]*:|[\\/]|\.\.?([\\/]|$))/i;

/** The folder that `source` names. Picked files are not a folder. */
export function locate(source: string | URL | undefined, options: SourceOptions): Folder {
  if (source === undefined) return embedded(options.assets && assetsAt(options.assets));
  const address = String(source);
  const page = hubPage(address, options);
  if (page) return page;
  return ADDRESS.test(address) ? folder(wholeAddress(address)) : hub(address, options);
}

/** A relative address, or a path under Node, as an absolute address. Others stay as they are. */
export function wholeAddress(source: string): string {
  if (!ADDRESS.test(source)) return source;
  if (isNode() && !/^[a-z][a-z0-9+.-]+:/i.test(source)) {
    return process.getBuiltinModule("node:url").pathToFileURL(source).href;
  }
  try {
    return new URL(source, globalThis.document?.baseURI ?? globalThis.location?.href).href;
  } catch {
    return source;
  }
}

/** A source in a form that can be sent to a worker: with absolute addresses, and files in a list. */
export function plainSource(source: ModelSource | undefined): PlainSource {
  if (source === undefined) return source;
  if (source instanceof URL) return source.href;
  if (typeof source === "string") return wholeAddress(source);
  if (typeof source !== "object" || typeof source?.[Symbol.iterator] !== "function") {
    throw new CappyError("input", "source", "is neither a hub id, an address of a folder, nor files");
  }
  // In a list, because an iterator can be read only once, and they may be needed again.
  const files = [...source];
  const other = files.findIndex((file) => typeof file?.arrayBuffer !== "function");
  if (other >= 0) throw new CappyError("input", `source[${other}]`, "is not a file");
  return sendable(files);
}

/** Whether a source is files that a person picked. */
export function isPicked(source: ModelSource | PlainSource): source is Iterable<File> | SentFile[] {
  return typeof source === "object" && !(source instanceof URL);
}

/** The address of the folder with a copy of this package, with a slash at its end. */
export function assetsAt(assets: string | URL): string {
  try {
    return new URL(
      wholeAddress(String(assets)).replace(/\/*$/, "/"),
      globalThis.document?.baseURI ?? globalThis.location?.href,
    ).href;
  } catch (cause) {
    throw new CappyError("input", "assets", `${assets} is not an address of a folder`, { cause });
  }
}

/** The model in this package, cappy-small. Bundlers find its files by exactly this form. */
function embedded(assets: string | undefined): Folder {
  const files: Record<string, () => URL> = {
    "config.json": () => new URL("../model/config.json", import.meta.url),
    "tokenizer.json": () => new URL("../model/tokenizer.json", import.meta.url),
    "model.safetensors": () => new URL("../model/model.safetensors", import.meta.url),
    "decide.json": () => new URL("../model/decide.json", import.meta.url),
  };
  const url = (file: string) => {
    const beside = files[file];
    return beside ? (assets ? new URL(`model/${file}`, assets) : beside()).href : null;
  };
  return { name: "cappy-small", url, cacheable: false, takesHeaders: false };
}

function folder(source: string): Folder {
  let base: URL;
  try {
    base = new URL(source);
  } catch (cause) {
    throw new CappyError("input", source, "is not an address of a folder", { cause });
  }
  if (!["http:", "https:", "file:"].includes(base.protocol)) {
    throw new CappyError("input", shown(base.href), `cannot load from ${base.protocol}, only http, https and file`);
  }
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  const url = (file: string) => {
    // The query stays, because it may be what grants access.
    const address = new URL(base);
    address.pathname += encodePath(file);
    return address.href;
  };
  return { name: shown(base.href), url, cacheable: base.protocol !== "file:", takesHeaders: true };
}

/** The model on whose page of the hub a person has copied `address`; `undefined` for other addresses. */
function hubPage(address: string, options: SourceOptions): Folder | undefined {
  for (const at of [options.endpoint, HUB]) {
    const start = at && `${endpointOf(at)}/`;
    if (!start || !address.startsWith(start)) continue;
    const path = address.slice(start.length).replace(/[?#].*$|\/+$/gs, "");
    const [, id, revision, inside] = PAGE.exec(path) ?? [];
    if (id) return hub(revision ? `${id}@${revision.replace(/%2F/gi, "/")}` : id, options, inside);
  }
  return undefined;
}

/** Matches a model's page, the page of a revision, and that of a folder in it. */
const PAGE = /^([\w.-]+(?:\/[\w.-]+)?)(?:\/tree\/(refs\/[\w-]+\/[^/]+|[^/]+)(\/.+)?)?$/;

function endpointOf(address: string): string {
  return address.replace(/\/+$/, "");
}

/** The model `owner/name`, or `name` for the few models without an owner; with `inside`, only that folder of it. */
function hub(source: string, options: SourceOptions, inside = ""): Folder {
  const [, id, named] = /^(\w[\w.-]*(?:\/\w[\w.-]*)?)(?:@(.+))?$/.exec(source) ?? [];
  if (!id) {
    const why = "is neither a hub id (owner/name or owner/name@revision) nor the address of a folder";
    throw new CappyError("input", source || "the model's name", why);
  }
  if (named && options.revision && named !== options.revision) {
    throw new CappyError("input", "revision", `"${options.revision}" was given for ${source}`);
  }
  const revision = named ?? options.revision ?? "main";
  const endpoint = endpointOf(options.endpoint ?? HUB);
  if (!/^https?:\/\//.test(endpoint)) {
    throw new CappyError("input", "endpoint", `"${endpoint}" is not an http or https address`);
  }
  const base = `${endpoint}/${id}/resolve/${encodeURIComponent(revision)}${inside}/`;
  const name = inside ? base : revision === "main" ? id : `${id}@${revision}`;
  return { name, url: (file) => base + encodePath(file), cacheable: true, takesHeaders: true };
}

/** A file's path in its folder; a model may not point out of it. */
function encodePath(file: string): string {
  const parts = file.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new CappyError("checkpoint", file, "is not the name of a file in the model's folder");
  }
  return parts.map(encodeURIComponent).join("/");
}
