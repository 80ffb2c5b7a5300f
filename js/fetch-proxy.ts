/** A caller's own `fetch` can only run on the page, so the worker that downloads calls it by messages. */

import type { FromWorker, PlainResponse, ToWorker } from "./protocol.js";
import { plainCause, toCause } from "./thrown.js";

type Reply = Extract<ToWorker, { type: "fetched" | "not-fetched" }>;
type FetchRequest = Extract<FromWorker, { type: "fetch" }>;
type ToPage = FetchRequest | Extract<FromWorker, { type: "stop-fetch" }>;

/** The worker's half: a `fetch` whose requests the page makes. */
export function proxyFetch(send: (message: ToPage) => void): { fetch: typeof fetch; answer(answer: Reply): void } {
  const pending = new Map<number, PromiseWithResolver>();
  let last = 0;
  return {
    fetch: (input, init = {}) =>
      new Promise<Response>((resolve, reject) => {
        const id = ++last;
        const stop = () => {
          pending.delete(id);
          send({ type: "stop-fetch", id });
          reject(init.signal!.reason);
        };
        if (init.signal?.aborted) return reject(init.signal.reason);
        init.signal?.addEventListener("abort", stop, { once: true });
        pending.set(id, { resolve, reject });
        const headers = [...new Headers(init.headers)];
        send({ type: "fetch", id, url: String(input), init: { method: init.method, cache: init.cache, headers } });
      }),
    answer(answer) {
      const waiting = pending.get(answer.id);
      pending.delete(answer.id);
      if (answer.type === "not-fetched") {
        const cause = toCause(answer.cause);
        return waiting?.reject(new TypeError(cause.message, { cause }));
      }
      try {
        waiting?.resolve(revive(answer.response));
      } catch (error) {
        // `Response` refuses the status 0, which an opaque answer has, as to a request without CORS.
        waiting?.reject(error);
      }
    },
  };
}

interface PromiseWithResolver {
  resolve(response: Response): void;
  reject(reason: unknown): void;
}

function revive({ url, status, headers, body }: PlainResponse): Response {
  const response = new Response([204, 205, 304].includes(status) ? null : body, { status, headers });
  return Object.defineProperty(response, "url", { value: url });
}

/** The page's half: calls the caller's `fetch` and sends the answer to the worker. */
export class FetchHost {
  readonly #fetch: typeof fetch;
  readonly #running = new Map<number, AbortController>();

  constructor(custom: typeof fetch) {
    this.#fetch = custom;
  }

  /** Makes a request of the worker. */
  async run({ id, url, init }: FetchRequest, send: (message: Reply, transfer: Transferable[]) => void): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    const answer: typeof send = (message, transfer) => {
      // The worker may not wait any more, or may have been replaced by one that counts requests from 1 again.
      if (!controller.signal.aborted) send(message, transfer);
    };
    try {
      const response = await this.#fetch(url, { ...init, signal: controller.signal });
      const plain = { url: response.url, status: response.status, headers: [...response.headers] };
      try {
        const body = response.body;
        answer({ type: "fetched", id, response: { ...plain, body } }, body ? [body] : []);
      } catch {
        // Safari cannot send streams.
        const body = await response.arrayBuffer();
        answer({ type: "fetched", id, response: { ...plain, body } }, [body]);
      }
    } catch (thrown) {
      answer({ type: "not-fetched", id, cause: plainCause(thrown) }, []);
    }
  }

  /** Stops a request that the worker does not wait for any more. */
  stop(id: number): void {
    this.#running.get(id)?.abort();
    this.#running.delete(id);
  }

  /** Stops all requests, as the worker is gone. */
  stopAll(): void {
    for (const id of [...this.#running.keys()]) this.stop(id);
  }
}
