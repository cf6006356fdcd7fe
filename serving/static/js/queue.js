/**
 * What plays, what the listener lined up, and what the recommender lined up behind it. Pure.
 *
 * @typedef {{track_id: string, title: string, artist: string, artist_id?: string | null,
 *   duration_ms?: number | null, playable?: boolean}} Song
 * @typedef {{kind: string, text: string, taste?: number | null, session?: number | null,
 *   songs?: {track_id: string, title: string | null, share: number}[]}} Reason
 * @typedef {{origin?: string, request_id?: string, generation?: string, rank?: number,
 *   reason?: Reason | null, fallback?: string}} Context where a song was found
 * @typedef {Song & Context & {entry_id: string, list?: "mine" | "smart"}} Entry
 * @typedef {"mine" | "smart"} ListName
 */

const VERSION = 1;
const MOST_RECENT = 200;
const MOST_QUEUED = 100;

export class Queue {
  /** @param {() => string} uuid makes the ids of entries: a song may be in line twice */
  constructor(uuid) {
    this.uuid = uuid;
    /** @type {Entry | null} */
    this.current = null;
    /** @type {Entry[]} */
    this.mine = [];
    /** @type {Entry[]} */
    this.smart = [];
    /** @type {Entry[]} the newest last */
    this.history = [];
  }

  /** @param {Song & Context} song @param {Context} [context] @returns {Entry} */
  entry(song, context = {}) {
    return { ...song, ...context, entry_id: this.uuid() };
  }

  /**
   * Plays a song from elsewhere: what the recommender lined up for the old context goes.
   * @param {Entry} entry
   */
  pick(entry) {
    this.leave();
    this.current = entry;
    this.smart = [];
  }

  /** @param {string} entryId @returns {Entry | null} the entry of either list, now current */
  jump(entryId) {
    const found = this.remove(entryId);
    if (!found) return null;
    this.leave();
    this.current = found;
    return found;
  }

  /** @param {Entry} entry @returns {Entry} added behind the listener's own songs */
  add(entry) {
    const mine = { ...entry, list: /** @type {ListName} */ ("mine") };
    this.mine.push(mine);
    return mine;
  }

  /** @param {Entry[]} entries @param {boolean} replace whether the old smart songs go */
  fill(entries, replace = false) {
    if (replace) this.smart = [];
    const here = new Set(this.queued());
    if (this.current) here.add(this.current.track_id);
    for (const entry of entries) {
      if (here.has(entry.track_id)) continue;
      here.add(entry.track_id);
      this.smart.push({ ...entry, list: "smart" });
    }
  }

  /** @returns {Entry | undefined} what plays next */
  upcoming() {
    return this.mine[0] ?? this.smart[0];
  }

  /** @returns {Entry | null} the next entry, now current; null at the end: nothing has changed */
  next() {
    const following = this.upcoming();
    return following ? this.jump(following.entry_id) : null;
  }

  /** @returns {Entry | null} the entry before; the current one waits where it came from */
  previous() {
    const before = this.history.pop();
    if (!before) return null;
    const origin = this.current?.list === "smart" ? this.smart : this.mine;
    if (this.current) origin.unshift(this.current);
    this.current = before;
    return before;
  }

  /** @param {string} entryId @returns {Entry | null} */
  remove(entryId) {
    for (const list of [this.mine, this.smart]) {
      const place = list.findIndex((e) => e.entry_id === entryId);
      if (place >= 0) return list.splice(place, 1)[0];
    }
    return null;
  }

  /** @param {string} entryId @param {number} by places, up is negative @returns {boolean} */
  move(entryId, by) {
    const list = this.listOf(entryId);
    if (!list) return false;
    const place = list.findIndex((e) => e.entry_id === entryId);
    const target = Math.min(Math.max(place + by, 0), list.length - 1);
    list.splice(target, 0, list.splice(place, 1)[0]);
    return target !== place;
  }

  /** @param {string} entryId puts a smart song behind the listener's own, where it stays */
  pin(entryId) {
    if (this.listOf(entryId) !== this.smart) return false;
    this.add(/** @type {Entry} */ (this.remove(entryId)));
    return true;
  }

  /** @param {(entry: Entry) => boolean} unwanted of the smart list; the listener's own stay */
  drop(unwanted) {
    this.smart = this.smart.filter((entry) => !unwanted(entry));
  }

  /** @param {string} entryId @returns {Entry[] | null} */
  listOf(entryId) {
    return [this.mine, this.smart].find((l) => l.some((e) => e.entry_id === entryId)) ?? null;
  }

  /** @returns {string[]} track ids that wait, in order */
  queued() {
    return [...this.mine, ...this.smart].map((e) => e.track_id).slice(0, MOST_QUEUED);
  }

  /** @returns {string[]} track ids that were played, the newest last, each once */
  recent() {
    const newest = this.history.map((e) => e.track_id).reverse();
    return [...new Set(newest)].slice(0, MOST_RECENT).reverse();
  }

  /** The current entry becomes history. */
  leave() {
    if (!this.current) return;
    this.history.push(this.current);
    this.history = this.history.slice(-MOST_RECENT);
    this.current = null;
  }

  toJSON() {
    const { current, mine, smart, history } = this;
    return { version: VERSION, current, mine, smart, history };
  }

  /**
   * @param {any} saved what `toJSON` gave
   * @returns {boolean} false for anything else, which is discarded
   */
  restore(saved) {
    const sound =
      saved?.version === VERSION &&
      isEntry(saved.current ?? PLACEHOLDER) &&
      [saved.mine, saved.smart, saved.history].every(isList);
    if (!sound) return false;
    const { current, mine, smart, history } = saved;
    Object.assign(this, { current: current ?? null, mine, smart, history });
    return true;
  }
}

const PLACEHOLDER = { entry_id: "", track_id: "" };

/** @param {any} value @returns {boolean} */
const isList = (value) => Array.isArray(value) && value.every(isEntry);

/** @param {any} value @returns {boolean} */
function isEntry(value) {
  return typeof value?.entry_id === "string" && typeof value.track_id === "string";
}
