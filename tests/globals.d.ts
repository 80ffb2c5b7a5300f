/**
 * What the tests' scripts use of pages: names that a test has put into a page before, which belong to no
 * module, and what browsers have that the standard types do not know.
 */
export {};

declare global {
  // What harness.mjs of tests/web puts into its page, and what single tests put there.
  var cappy: any,
    instruction: any,
    candidates: any,
    failure: any,
    sleep: any,
    scorer: any,
    loader: any,
    wasm: any,
    Scorer: any;
  var lots: any,
    expected: any,
    scoring: any,
    begun: any,
    devices: any,
    doomed: any,
    withheld: any,
    workers: any,
    messages: any,
    openMini: any,
    refused: any,
    requests: any;
  var asked: any,
    stopped: any,
    started: any,
    warned: any,
    fakeLoads: any,
    fakeDisposed: any,
    fakeLessons: any,
    made: any,
    devicesMade: any;
  // What the harness of tests/extension and its tests put into pages.
  var client: any,
    states: any,
    score: any,
    openPort: any,
    port: any,
    engine: any,
    under: any,
    keep: any,
    fast: any,
    background: any;
  var fixture: any, keys: any, make: any, pwned: any, reached: any;
  // Firefox's own, in its privileged pages.
  var ChromeUtils: any;

  // A selector finds an element of which the test knows the kind, and the compiler does not.
  interface Element {
    value: any;
    checked: any;
    disabled: any;
    hidden: any;
    style: any;
    dataset: any;
    first: any;
    doCommand: any;
    openOrClosedShadowRoot: any;
  }
  interface Node {
    querySelectorAll: any;
    outerHTML: any;
  }
  interface PerformanceEntry {
    value: number;
    hadRecentInput: boolean;
  }
  interface Performance {
    memory: { usedJSHeapSize: number };
  }
  namespace chrome {
    const sidebarAction: any;
    const developerPrivate: any;
    namespace events {
      interface Event<H> {
        dispatch: any;
      }
    }
  }
}

declare module "playwright-core" {
  interface Page {
    /** What went wrong in it unseen; see `startPackage` of tests/web/harness.mjs. */
    complaints: string[];
  }
}
