import { defineConfig } from "vitepress";
import { GROUPS } from "../pages.mjs";

/** The id of a heading. */
function idOf(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-");
}

export default defineConfig({
  srcDir: "pages",
  base: process.env.DOCS_BASE ?? "/docs/",
  lang: "en",
  title: "cappy",
  description: "Ranks answers, search results and decisions with a small model, on your own machine",
  head: [["link", { rel: "icon", href: `${process.env.DOCS_BASE ?? "/docs/"}favicon.svg`, type: "image/svg+xml" }]],
  // Headings have the ids that they have on GitHub, where links to them have to work, too.
  markdown: { anchor: { slugify: idOf } },
  themeConfig: {
    logo: "/favicon.svg",
    search: { provider: "local" },
    nav: [
      { text: "Try it", link: "/../", target: "_self" },
      { text: "TypeScript", link: "/api/" },
      { text: "Rust", link: "/rust/cappy/index.html", target: "_self" },
    ],
    sidebar: [
      ...GROUPS.map(({ title, pages }) => ({
        text: title,
        items: pages.map(([, name, text]) => ({ text, link: `/${name}` })),
      })),
      {
        text: "Reference",
        items: [
          { text: "TypeScript", link: "/api/" },
          { text: "Rust", link: "/rust/cappy/index.html", target: "_self" },
        ],
      },
    ],
    outline: [2, 3],
    socialLinks: [{ icon: "github", link: process.env.DOCS_REPOSITORY }],
  },
});
