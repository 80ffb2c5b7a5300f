// Which files of the repository are pages of the documentation site, in the order of its sidebar.

/** @type {{ title: string, pages: [file: string, name: string, title: string][] }[]} */
export const GROUPS = [
  {
    title: "Use it",
    pages: [
      ["docs/javascript.md", "javascript", "In a web app"],
      ["docs/command-line.md", "command-line", "Command line"],
      ["docs/rust.md", "rust", "In Rust"],
      ["docs/python.md", "python", "In Python"],
      ["docs/extension.md", "extension", "Browser extension"],
      ["docs/adapters.md", "adapters", "Adapters"],
    ],
  },
  {
    title: "What it can do",
    pages: [
      ["docs/decisions.md", "decisions", "Decisions"],
      ["docs/explanations.md", "explanations", "Explanations"],
      ["docs/choosing.md", "choosing", "Choosing while answers arrive"],
      ["docs/adaptation.md", "adaptation", "Adaptation"],
      ["docs/evaluation.md", "evaluation", "Evaluation"],
    ],
  },
  {
    title: "Models",
    pages: [
      ["models/cappy-small/README.md", "cappy-small", "cappy-small, which comes along"],
      ["docs/checkpoints.md", "checkpoints", "Which checkpoints work"],
      ["docs/loading.md", "loading", "Loading"],
      ["docs/quantisation.md", "quantisation", "Quantisation"],
    ],
  },
  {
    title: "In production",
    pages: [
      ["docs/hosting.md", "hosting", "Hosting"],
      ["docs/scale.md", "scale", "Scoring at scale"],
      ["docs/errors.md", "errors", "Errors"],
      ["docs/browsers.md", "browsers", "What works where"],
      ["docs/performance.md", "performance", "Performance"],
      ["docs/performance-log.md", "performance-log", "Log of measurements"],
      ["docs/performance-cpu-workers.md", "performance-cpu-workers", "Without a GPU: workers, and the first score"],
      ["docs/devices.md", "devices", "Devices"],
      ["SECURITY.md", "security", "Security"],
    ],
  },
  {
    title: "Work on it",
    pages: [
      ["CONTRIBUTING.md", "contributing", "Contributing"],
      ["ARCHITECTURE.md", "architecture", "Architecture"],
      ["docs/adding-a-kernel.md", "adding-a-kernel", "Adding a kernel"],
      ["docs/adding-a-model-family.md", "adding-a-model-family", "Adding a model family"],
      ["docs/kernels-log.md", "kernels-log", "What was tried with kernels"],
      ["docs/deberta.md", "deberta", "DeBERTa: a study"],
      ["docs/hardening.md", "hardening", "Hardening"],
      ["docs/debugging-shaders.md", "debugging-shaders", "Debugging shaders"],
      ["docs/releasing.md", "releasing", "Releasing"],
      ["CHANGELOG.md", "changelog", "Changelog"],
    ],
  },
];

/** The name of a file's page in the site. */
export const NAMES = new Map(GROUPS.flatMap(({ pages }) => pages).map(([file, name]) => [file, name]));
