/**
 * A node whose members are its own. A form is not: a control within it takes the place of each member that
 * it bears the name of, also for content scripts, so that `<input name="parentElement">` leads astray whoever climbs up.
 */
export function own<T extends Node>(node: T): T {
  return node instanceof HTMLFormElement ? new Proxy<HTMLFormElement & T>(node, MEMBERS) : node;
}

const MEMBERS: ProxyHandler<HTMLFormElement> = {
  get(form, name) {
    const value: unknown = Reflect.get(HTMLFormElement.prototype, name, form);
    return typeof value === "function" ? value.bind(form) : value;
  },
};
