/**
 * What one play of a song amounts to: which events to send, and when. Pure: it is told what was
 * heard and what time it is.
 *
 * @typedef {[number, number]} Range seconds of the song, from and to
 * @typedef {{min_track_ms: number, listen_share: number, listen_cap_ms: number}} Rules
 * @typedef {"listen" | "skip" | "complete"} Action
 * @typedef {{ranges: Range[], position: number, duration: number}} Heard what the audio element
 *   says: `ranges` since its source was loaded; a `duration` that is not known is 0 or NaN
 * @typedef {{track_id: string, entry_id: string, duration_ms?: number | null, origin?: string,
 *   request_id?: string, generation?: string, rank?: number}} Played
 * @typedef {{play_id: string, entry: Played, began: number, ranges: Range[], sent: Action[],
 *   position: number, at: number}} OpenPlay a play that may go on after a reload
 */

export const GOES_ON_MS = 30 * 60 * 1000;
const COMPLETE_SHARE = 0.9;
const GAP = 0.05; // audio elements end one range and begin the next a few samples apart

/**
 * Every second of the song that was heard, once; rewinding hears nothing twice.
 * @param {Range[]} ranges
 * @returns {Range[]} sorted, without overlaps
 */
export function union(ranges) {
  /** @type {Range[]} */
  const whole = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = whole[whole.length - 1];
    if (last && from <= last[1] + GAP) last[1] = Math.max(last[1], to);
    else if (to > from) whole.push([from, to]);
  }
  return whole;
}

export class Ledger {
  /**
   * @param {Rules} rules
   * @param {() => string} uuid
   */
  constructor(rules, uuid) {
    this.rules = rules;
    this.uuid = uuid;
    /** @type {OpenPlay | null} */
    this.play = null;
    /** @type {Range[]} of earlier sources of the same play */
    this.earlier = [];
    /** @type {Heard} */
    this.heard = { ranges: [], position: 0, duration: 0 };
  }

  /** @param {Played} entry @param {number} now the first `playing` of an entry, epoch ms */
  start(entry, now) {
    if (this.play?.entry.entry_id === entry.entry_id) return;
    this.play = {
      play_id: this.uuid(),
      entry,
      began: now,
      ranges: [],
      sent: [],
      position: 0,
      at: now,
    };
    this.earlier = [];
    this.heard = { ranges: [], position: 0, duration: 0 };
  }

  /**
   * Takes up the play of an earlier page.
   * @param {OpenPlay | null | undefined} saved
   * @param {number} now
   * @returns {boolean} false when it is too long ago: the next `start` makes a new play
   */
  restore(saved, now) {
    if (!saved || now - saved.at >= GOES_ON_MS || now < saved.at) return false;
    this.play = structuredClone(saved);
    this.earlier = this.play.ranges;
    this.heard = { ranges: [], position: saved.position, duration: 0 };
    return true;
  }

  /** @param {number} now @returns {OpenPlay | null} what `restore` takes */
  save(now) {
    if (!this.play) return null;
    return { ...this.play, ranges: this.ranges(), position: this.heard.position, at: now };
  }

  /** The source is loaded anew, which forgets what was heard of it: keep that. */
  carry() {
    this.earlier = this.ranges();
    this.heard = { ...this.heard, ranges: [] };
  }

  /**
   * The song is played from its beginning again.
   * @returns {boolean} whether that is a new play, which needs a source that has heard nothing
   */
  restart() {
    if (!this.play?.sent.length) return false;
    this.abandon();
    return true;
  }

  /** @param {Heard} heard @returns {object[]} the events that are due now */
  progress(heard) {
    if (!this.play) return [];
    this.heard = heard;
    const due = this.length() > this.rules.min_track_ms && this.listened() >= this.threshold();
    return due ? this.once("listen") : [];
  }

  /** @param {Heard} heard at the end of the song @returns {object[]} */
  ended(heard) {
    const events = this.progress(heard);
    if (!this.play) return events;
    if (this.listened() >= COMPLETE_SHARE * this.length()) {
      events.push(...this.once("complete", "ended"));
    } else if (this.listened() < this.threshold()) {
      events.push(...this.once("skip", "scrub"));
    }
    return events;
  }

  /**
   * The listener leaves the song; after half of it that says nothing more.
   * @param {string} cause next, previous, pick, remove or ban
   * @param {Heard} heard
   * @returns {object[]}
   */
  leave(cause, heard) {
    const events = this.progress(heard);
    if (this.play && this.listened() < this.threshold()) events.push(...this.once("skip", cause));
    this.abandon();
    return events;
  }

  /** The play is over without an event: an error, or its end was told. */
  abandon() {
    this.play = null;
    this.earlier = [];
  }

  /** @returns {number} milliseconds heard */
  listened() {
    const seconds = this.ranges().reduce((sum, [from, to]) => sum + to - from, 0);
    return Math.round(seconds * 1000);
  }

  /** @returns {Range[]} */
  ranges() {
    return union([...this.earlier, ...this.heard.ranges].map(([from, to]) => [from, to]));
  }

  /** @returns {number} the song's length in ms; as the catalogue has it until audio says */
  length() {
    const { duration } = this.heard;
    if (Number.isFinite(duration) && duration > 0) return duration * 1000;
    return this.play?.entry.duration_ms || Infinity;
  }

  /** @returns {number} ms from which on a play is one */
  threshold() {
    return Math.min(this.length() * this.rules.listen_share, this.rules.listen_cap_ms);
  }

  /**
   * @param {Action} action
   * @param {string} [cause]
   * @returns {object[]} the event, unless this play sent it before
   */
  once(action, cause) {
    const play = /** @type {OpenPlay} */ (this.play);
    if (play.sent.includes(action)) return [];
    play.sent.push(action);
    const { track_id, origin, request_id, generation, rank } = play.entry;
    const listened = this.listened();
    const length = this.length();
    const event = {
      event_id: this.uuid(),
      play_id: play.play_id,
      track_id,
      timestamp: play.began,
      action,
      duration: Math.round(listened / 1000),
      total_duration: Number.isFinite(length) ? Math.round(length / 1000) : undefined,
      listened_ms: listened,
      position_ms: Math.max(0, Math.round(this.heard.position * 1000)),
      cause,
      origin,
      request_id,
      generation,
      rank,
    };
    // What is not known is left out: the server refuses null.
    return [Object.fromEntries(Object.entries(event).filter(([, value]) => value != null))];
  }
}
