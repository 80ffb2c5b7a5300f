/** A caller's own `fetch` lives on the page; the worker that downloads asks it by messages. */

import type { FromWorker, PlainResponse, ToWorker } from "./protocol.js";
import { plainCause, toCause } from "./thrown.js";

type Answer = Extract<ToWorker, { type: "fetched" | "not-fetched" }>;
type Question = Extract<FromWorker, { type: "fetch" }>;
type Asking = Question | Extract<FromWorker, { type: "stop-fetch" }>;

/** The worker's half: a `fetch` that asks the page. */
export function proxyFetch(send: (message: Asking) => void): { fetch: typeof fetch; answer(answer: Answer): void } {
  const asked = new Map<number, PromiseWithResolver>();
  let last = 0;
  return {
    fetch: (input, init = {}) => new Promise<Response>((resolve, reject) => {
      const id = ++last;
      const stop = () => {
        asked.delete(id);
        send({ type: "stop-fetch", id });
        reject(init.signal!.reason);
      };
      if (init.signal?.aborted) return reject(init.signal.reason);
      init.signal?.addEventListener("abort", stop, { once: true });
      asked.set(id, { resolve, reject });
      const headers = [...new Headers(init.headers)];
      send({ type: "fetch", id, url: String(input), init: { method: init.method, cache: init.cache, headers } });
    }),
    answer(answer) {
      const waiting = asked.get(answer.id);
      asked.delete(answer.id);
      if (answer.type === "not-fetched") {
        const cause = toCause(answer.cause);
        return waiting?.reject(new TypeError(cause.message, { cause }));
      }
      try {
        waiting?.resolve(revive(answer.response));
      } catch (error) {
        // An answer that hides everything, as to a request without CORS, has the status 0.
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

/** The page's half: asks the caller's `fetch` and sends what it gives. */
export class FetchHost {
  readonly #fetch: typeof fetch;
  readonly #running = new Map<number, AbortController>();

  constructor(custom: typeof fetch) {
    this.#fetch = custom;
  }

  /** Answers a question of the worker. */
  async run({ id, url, init }: Question, send: (message: Answer, transfer: Transferable[]) => void): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    const answer: typeof send = (message, transfer) => {
      // The worker may no longer care, or be another one that counts from 1 again.
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

  /** The worker no longer wants an answer. */
  stop(id: number): void {
    this.#running.get(id)?.abort();
    this.#running.delete(id);
  }

  /** The worker is gone. */
  stopAll(): void {
    for (const id of [...this.#running.keys()]) this.stop(id);
  }
}
