/** Models as the user names them: by a hub id, by the address of a page on the hub, or by that of a folder on a server. */
import type { ModelChoice } from "../messages.js";

const HUB = "https://huggingface.co";

/** The first parts of the hub's paths that are not the owners of models. */
const NOT_MODELS = [
  "api",
  "blog",
  "collections",
  "datasets",
  "docs",
  "join",
  "login",
  "models",
  "organizations",
  "papers",
  "settings",
  "spaces",
];

/** The model that a text names; `undefined` where it names none. */
export function modelNamed(text: string): ModelChoice | undefined {
  const [, id, revision] = /^([\w.-]+(?:\/[\w.-]+)?)(?:@(\S+))?$/.exec(text) ?? [];
  if (id) return hubModel(id, revision);
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol)) return undefined;
  return (url.origin === HUB && ofPage(url)) || { kind: "url", url: url.href };
}

/** The model of a page of the hub: `/owner/name`, mostly, with `/tree/revision` or `/blob/revision/file` behind it. */
function ofPage({ pathname }: URL): ModelChoice | undefined {
  const parts = pathname.split("/").filter(Boolean).map(decoded);
  const at = parts.findIndex((part, place) => place > 0 && ["tree", "blob", "resolve"].includes(part));
  const id = at < 0 ? parts : parts.slice(0, at);
  const [revision, ...path] = at < 0 ? [] : parts.slice(at + 1);
  if (id.length === 0 || id.length > 2 || NOT_MODELS.includes(id[0]!)) return undefined;
  // The page of a file means the folder of the file.
  if (parts[at] === "blob") path.pop();
  if (path.length === 0) return hubModel(id.join("/"), revision);
  return { kind: "url", url: [HUB, ...id, "resolve", ...[revision!, ...path].map(encodeURIComponent), ""].join("/") };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** A model on the hub. The default revision is `main`, and is left out, as in the names of downloads. */
function hubModel(id: string, revision = "main"): ModelChoice {
  return { kind: "hub", id: revision === "main" ? id : `${id}@${revision}` };
}
