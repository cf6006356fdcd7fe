/**
 * Events on their way to the server: kept until it has them, sent once each, the oldest first.
 *
 * @typedef {{key?: number, user: string, at: number, event: any}} Item `at`: epoch ms
 * @typedef {{add(item: Item): Promise<number>, all(): Promise<Item[]>,
 *   remove(keys: number[]): Promise<void>}} Store items with their keys, in the order of adding
 * @typedef {(events: object[]) => Promise<{results: {event_id: string, status: string}[]}>} Send
 */

import { ask } from "./api.js";
import { store, waitFor } from "./database.js";

export const MOST_ITEMS = 1000;
export const MOST_AGE_MS = 14 * 24 * 3600 * 1000;
export const BATCH = 50;
const FIRST_WAIT_MS = 2000;
const LONGEST_WAIT_MS = 5 * 60 * 1000;
const PASSES = new Set([0, 401, 403, 408, 425, 429]); // not the event's fault

export class Outbox {
  /**
   * @param {string} user whose events are sent; those of others wait for them to come back
   * @param {Send} send rejects with a `status`, and perhaps with `retryMs`
   * @param {{items?: Store, now?: () => number, random?: () => number,
   *   lost?: (count: number) => void, lock?: (job: () => Promise<void>) => Promise<void>}} [given]
   */
  constructor(user, send, given = {}) {
    this.user = user;
    this.send = send;
    this.items = given.items ?? idbItems();
    this.now = given.now ?? Date.now;
    this.random = given.random ?? Math.random;
    this.lost = given.lost ?? (() => {});
    this.lock = given.lock ?? alone;
    this.failures = 0;
    this.notBefore = 0;
    /** @type {Promise<void> | null} */
    this.flushing = null;
    /** @type {Map<string, object>} this tab's events that the server has not acknowledged */
    this.unsent = new Map();
  }

  /** @param {any[]} events @returns {Promise<void>} once they are kept */
  async add(events) {
    const at = this.now();
    for (const event of events) this.unsent.set(event.event_id, event);
    await Promise.all(events.map((event) => this.items.add({ user: this.user, at, event })));
  }

  /** Sends what waits; one tab at a time, one request at a time. @returns {Promise<void>} */
  flush() {
    this.flushing ??= this.lock(() => this.drain()).finally(() => {
      this.flushing = null;
    });
    return this.flushing;
  }

  /** The page goes: hand over what it has, without waiting for an answer. */
  part() {
    if (!this.unsent.size || this.flushing) return;
    this.send(this.stamped([...this.unsent.values()].slice(0, BATCH))).catch(() => {});
  }

  async drain() {
    const waiting = await this.fresh();
    let size = BATCH;
    while (waiting.length && this.now() >= this.notBefore) {
      const batch = waiting.slice(0, size);
      try {
        const { results } = await this.send(this.stamped(batch.map((item) => item.event)));
        this.failures = 0;
        const refused = results.filter((result) => result.status === "rejected").length;
        if (refused) this.lost(refused);
      } catch (error) {
        const { status = 0, retryMs = 0 } = /** @type {any} */ (error);
        if (PASSES.has(status) || status >= 500) return this.wait(retryMs);
        // One of them spoils the batch: find out which, one by one.
        if (batch.length > 1) {
          size = 1;
          continue;
        }
        this.lost(1);
      }
      await this.forget(batch);
      waiting.splice(0, batch.length);
    }
  }

  /** @returns {Promise<Item[]>} what may still be sent; what is too old or too much goes */
  async fresh() {
    const all = await this.items.all();
    const oldest = this.now() - MOST_AGE_MS;
    const surplus = all.length - MOST_ITEMS;
    const gone = all.filter((item, place) => place < surplus || item.at < oldest);
    if (gone.length) {
      await this.forget(gone);
      this.lost(gone.length);
    }
    return all.filter((item) => !gone.includes(item) && item.user === this.user);
  }

  /** @param {Item[]} items */
  async forget(items) {
    for (const { event } of items) this.unsent.delete(event.event_id);
    await this.items.remove(items.map((item) => /** @type {number} */ (item.key)));
  }

  /** @param {any[]} events @returns {object[]} */
  stamped(events) {
    return events.map((event) => ({ ...event, sent_at: this.now() }));
  }

  /** @param {number} retryMs what the server asked for; else longer each time, with jitter */
  wait(retryMs) {
    const grown = Math.min(FIRST_WAIT_MS * 2 ** this.failures, LONGEST_WAIT_MS);
    this.failures += 1;
    this.notBefore = this.now() + Math.max(retryMs, grown * (0.5 + this.random() / 2));
  }
}

/** @type {Send} */
export function sendEvents(events) {
  const body = { events };
  // Browsers refuse to let more than 64 KiB outlive the page.
  return ask("POST", "/events", body, { keepalive: JSON.stringify(body).length < 60_000 });
}

/** @param {() => Promise<void>} job @returns {Promise<void>} unless another tab is at it */
async function alone(job) {
  if (!navigator.locks) return job();
  await navigator.locks.request("nocturne-outbox", { ifAvailable: true }, (lock) => lock && job());
}

/** @returns {Store} */
function idbItems() {
  return {
    add: async (item) => /** @type {any} */ (waitFor((await store("readwrite")).add(item))),
    all: async () => waitFor((await store("readonly")).getAll()),
    remove: async (keys) => {
      const items = await store("readwrite");
      await Promise.all(keys.map((key) => waitFor(items.delete(key))));
    },
  };
}
