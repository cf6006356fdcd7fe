/** What the listener loves, bans or wants less like: `song:<id>` and `artist:<id>` to the value. */

import { ask, songPath } from "./api.js";

/** @typedef {import("./session.js").Found} Found */

/** @param {Found} song @param {"song" | "artist"} scope @returns {string} */
export function keyOf({ track_id, artist_id }, scope) {
  return scope === "song" ? `song:${track_id}` : `artist:${artist_id}`;
}

/** @extends {Map<string, string>} */
export class Choices extends Map {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    super();
    this.session = session;
    this.unplayable = new Set();
  }

  async read() {
    const { feedback } = await ask("GET", "/feedback").catch(() => ({ feedback: [] }));
    for (const { scope, id, value } of feedback) this.note(`${scope}:${id}`, value);
  }

  /** @param {string} key @param {string | null} value */
  note(key, value) {
    if (value) this.set(key, value);
    else this.delete(key);
    this.session.changed("choices");
  }

  /**
   * Shown at once, and taken back when it could not be saved.
   * @param {Found} song @param {string | null} value @param {"song" | "artist"} [scope]
   * @returns {Promise<boolean>}
   */
  async choose(song, value, scope = "song") {
    const { session } = this;
    if (!session.config.signed_in) {
      session.notify("Sign in, and this will be remembered");
      return false;
    }
    const key = keyOf(song, scope);
    const before = this.get(key) ?? null;
    this.note(key, value);
    const saved = ask("PUT", `${songPath(song.track_id)}/feedback`, { value, scope });
    session.writes = Promise.allSettled([session.writes, saved]);
    if (value === "ban") session.banned();
    try {
      await saved;
    } catch (error) {
      this.note(key, before);
      session.notify(`That could not be saved: ${/** @type {Error} */ (error).message}`);
      return false;
    }
    if (value !== "love") session.refill();
    return true;
  }

  /** @param {any} song @returns {boolean} whether it may be played without being asked for */
  wants(song) {
    const banned = [keyOf(song, "song"), keyOf(song, "artist")].some((k) => this.get(k) === "ban");
    return song.playable !== false && !this.unplayable.has(song.track_id) && !banned;
  }
}
