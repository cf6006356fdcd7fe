/** Keeps songs in line behind the listener's own: the smart list. */

import { ask } from "./api.js";

const ASK_FOR = 5;
const TRIES_AFTER_MS = [0, 1000, 2000];
const ANSWER_WITHIN_MS = 8000;
const WRITES_FIRST_MS = 1000;
const FIND_WITHIN_MS = 4000;
/** @type {Record<string, string>} */
const REASONS = {
  unknown_listener: "Play a few songs and this list will be about you",
  no_generation: "Nothing is trained yet: popular songs",
  nothing_else_left: "Nothing else is left: popular songs",
};

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Filler {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    this.turn = 0;
    this.busy = false;
    this.failed = false;
    this.note = "";
    this.request = new AbortController();
  }

  /** Asks for more when too few are left. */
  need() {
    const { prefs, queue, config } = this.session;
    const good = queue.smart.filter((entry) => !entry.fallback).length;
    if (prefs.autoplay && queue.current && !this.busy && good < config.smart_visible) this.fill();
  }

  /**
   * Asks, three times if need be; an answer that a newer request overtook is dropped.
   * @param {boolean} [replace] whether the songs that wait go when the answer is there
   */
  async fill(replace = false) {
    const turn = ++this.turn;
    this.request.abort();
    this.request = new AbortController();
    this.state(true, false);
    for (const wait of TRIES_AFTER_MS) {
      await sleep(wait);
      if (turn !== this.turn) return;
      try {
        await Promise.race([this.session.writes, sleep(WRITES_FIRST_MS)]);
        const answer = await this.ask(replace, this.request.signal);
        if (turn !== this.turn) return;
        if (answer && this.take(answer, replace)) return this.state(false, false);
        break;
      } catch {
        if (turn !== this.turn) return;
      }
    }
    if (!this.session.queue.smart.length) this.fallBack();
    this.state(false, true);
  }

  /**
   * @param {boolean} replace @param {AbortSignal} signal
   * @returns {Promise<any>} null where nothing is known to go by
   */
  async ask(replace, signal) {
    const { queue, config, prefs } = this.session;
    const current = queue.current?.track_id;
    const recent = queue.recent();
    const queued = replace ? queue.mine.map((e) => e.track_id).slice(0, 100) : queue.queued();
    const options = { signal, timeout: ANSWER_WITHIN_MS };
    if (!config.signed_in || this.session.expired) {
      const songs = [...recent, current].filter(Boolean).slice(-200);
      if (!songs.length) return null;
      return ask("POST", "/recommend/session", { songs, queued, n: ASK_FOR }, options);
    }
    const familiar = prefs.familiar ?? undefined;
    const body = { current, queued, recent, n: ASK_FOR, familiar };
    return ask("POST", "/recommend/next", body, options);
  }

  /** @param {any} answer @param {boolean} replace @returns {boolean} whether it has songs */
  take(answer, replace) {
    const { queue } = this.session;
    const { request_id, generation } = answer;
    const songs = answer.songs.filter((/** @type {any} */ song) =>
      this.session.choices.wants(song),
    );
    if (!songs.length) return false;
    queue.drop((entry) => Boolean(entry.fallback));
    const about = { origin: "smart", request_id, generation };
    queue.fill(
      songs.map((/** @type {any} */ song) => queue.entry(song, about)),
      replace,
    );
    this.note =
      REASONS[answer.fallback] ??
      (answer.degraded.length ? "Some of it is away: a simpler choice" : "");
    return true;
  }

  /** Songs of the last home page, marked as what they are. */
  fallBack() {
    const { queue, home } = this.session;
    const heard = new Set([...queue.recent(), ...queue.queued(), queue.current?.track_id]);
    const left = home.filter(
      (song) => !heard.has(song.track_id) && this.session.choices.wants(song),
    );
    if (!left.length) return;
    const about = { origin: "smart", fallback: "From your home page" };
    queue.fill(left.slice(0, ASK_FOR).map((song) => queue.entry(song, about)));
    this.session.notify("No new recommendations just now: going on from your home page");
    this.session.changed("queue");
  }

  /** The music has run out: whatever can play, soon. @returns {Promise<boolean>} */
  async find() {
    if (!this.busy) this.fill();
    const until = Date.now() + FIND_WITHIN_MS;
    while (this.busy && !this.session.queue.upcoming() && Date.now() < until) await sleep(50);
    if (!this.session.queue.upcoming()) this.fallBack();
    return Boolean(this.session.queue.upcoming());
  }

  /** @param {boolean} busy @param {boolean} failed */
  state(busy, failed) {
    Object.assign(this, { busy, failed });
    this.session.changed("queue");
  }
}
