/** Modules by the addresses under which servers of tests, examples and benchmarks have them. */
declare module "/dist/*";
declare module "/modules/*";
declare module "/target/modules/*";
declare module "/bench/*";
declare module "*/cappy-web/index.js";
