import { withText } from "./dom.js";

/**
 * Models that the page offers besides its own, from docs/checkpoints.md: rerankers, which were trained to rank
 * search results, by the author of whose table they are the best of their sizes.
 * @type {{ model: string, what: string, size: string }[]}
 */
const OFFERED = [
  { model: "cross-encoder/ettin-reranker-17m-v1", what: "Search results, English", size: "35 MB in memory" },
  { model: "cross-encoder/ettin-reranker-68m-v1", what: "The same, more exactly", size: "137 MB in memory" },
  { model: "BAAI/bge-reranker-v2-m3", what: "Search results, many languages", size: "1.1 GB in memory" },
];

/**
 * Lists them with a button each. What a download takes is asked of its server, and told before it begins.
 * @param {HTMLElement} list
 * @param {(model: string) => void} load
 */
export function showOffered(list, load) {
  const rows = OFFERED.map(({ model, what, size }) => {
    const row = document.createElement("li");
    row.className = "kept";
    const name = withText("p", model);
    name.append(withText("span", ` ${what}. ${size}`));
    const use = document.createElement("button");
    use.type = "button";
    use.className = "quiet";
    use.textContent = "Choose";
    use.setAttribute("aria-label", `Choose ${model}`);
    use.addEventListener("click", () => load(model));
    row.append(name, use);
    return row;
  });
  list.replaceChildren(...rows);
}
