/**
 * A node with its real members. In a form, a control replaces the member of the same name, also for content scripts:
 * in a form with `<input name="parentElement">`, `parentElement` is that control. The proxy reads the prototype's.
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
