/**
 * One listening session: queue, engine, ledger and outbox, wired together. Views call its methods
 * and draw themselves when it says what changed.
 *
 * @typedef {import("./queue.js").Entry} Entry
 * @typedef {import("./queue.js").Song & import("./queue.js").Context} Found
 * @typedef {"song" | "state" | "time" | "queue" | "choices" | "prefs"} Kind
 * @typedef {{user_id: string | null, signed_in: boolean, min_track_ms: number,
 *   listen_share: number, listen_cap_ms: number, smart_visible: number,
 *   error_limit: number}} Config
 */

import { report } from "./api.js";
import { Choices } from "./choices.js";
import { Engine } from "./engine.js";
import { Filler } from "./filler.js";
import { Ledger } from "./ledger.js";
import { claim, save } from "./lifetime.js";
import { Outbox, sendEvents } from "./outbox.js";
import { PREFS, prefer } from "./prefs.js";
import { Queue } from "./queue.js";

const SAVE_EVERY_MS = 5000;
const RESTART_AFTER_S = 5;
const uuid = () => crypto.randomUUID();

export class Session extends EventTarget {
  /** @param {Config} config @param {HTMLAudioElement[]} pair */
  constructor(config, pair) {
    super();
    this.config = config;
    this.prefs = { ...PREFS };
    this.queue = new Queue(uuid);
    this.ledger = new Ledger(config, uuid);
    this.filler = new Filler(this);
    this.outbox = new Outbox(config.user_id ?? "", sendEvents, {
      lost: (count) => this.lost(count),
    });
    this.engine = new Engine(pair, this.hooks());
    this.choices = new Choices(this);
    /** @type {Found[]} the last home page */
    this.home = [];
    this.errors = 0;
    this.turn = 0;
    /** @type {boolean | null} whether the song that is looked for shall play; null: none is */
    this.found = null;
    this.saved = 0;
    this.owner = false;
    this.behind = false; // another tab has written since
    this.expired = false; // the cookie is good no more
    this.status = "";
    /** @type {Promise<unknown>} what the recommender should know before it is asked again */
    this.writes = Promise.resolve();
  }

  /** @returns {import("./engine.js").Hooks} */
  hooks() {
    return {
      state: () => this.changed("state"),
      playing: () => {
        this.errors = 0;
        claim(this);
        if (this.queue.current) this.ledger.start(this.queue.current, Date.now());
        this.save();
      },
      time: () => {
        this.post(this.ledger.progress(this.engine.heard));
        if (Date.now() - this.saved > SAVE_EVERY_MS) this.save();
        this.changed("time");
      },
      reloading: () => {
        this.post(this.ledger.progress(this.engine.heard));
        this.ledger.carry();
      },
      nearEnd: () =>
        this.engine.prepare((this.prefs.repeat && this.queue.current) || this.queue.upcoming()),
      ended: () => {
        this.post(this.ledger.ended(this.engine.heard));
        this.ledger.abandon();
        if (this.prefs.repeat) this.start();
        else this.goOn();
      },
      unplayable: () => this.cannotPlay(),
      trouble: (kind) => report(kind, this.queue.current?.track_id),
    };
  }

  /** @param {Found} song @param {string} origin */
  play(song, origin = song.origin ?? "link") {
    this.leave("pick");
    this.queue.pick(this.queue.entry(song, { origin }));
    this.start();
  }

  /** @param {Found} song */
  add(song) {
    this.queue.add(this.queue.entry(song, { origin: "manual" }));
    this.notify("Added to your queue");
    if (this.queue.current) this.edited();
    else if (this.queue.next()) this.start(false);
  }

  /** @param {string} entryId */
  jump(entryId) {
    this.leave("pick");
    if (this.queue.jump(entryId)) this.start();
  }

  /** @param {string} [cause] */
  next(cause = "next") {
    const early = this.leave(cause);
    this.goOn(true);
    if (early && cause !== "ban") this.refill();
  }

  previous() {
    const again = this.engine.position > RESTART_AFTER_S || !this.queue.history.length;
    if (!again) {
      this.leave("previous");
      this.queue.previous();
      this.start();
    } else if (this.ledger.restart())
      this.start(); // a source that has heard nothing
    else this.engine.seek(0);
  }

  /** Whether the listener wants to hear something, be it a song that is yet to be found. */
  get wanted() {
    return this.found ?? this.engine.wanted;
  }

  toggle() {
    if (this.found !== null) {
      this.found = !this.found;
      return this.changed("state");
    }
    if (this.engine.wanted) this.engine.pause();
    else if (this.engine.active.ended) this.start();
    else this.engine.play();
    this.save();
  }

  /** Plays what is next, or looks for it. @param {boolean} [asked] by the listener, just now */
  goOn(asked = false) {
    if (this.queue.next()) this.start();
    else if (asked || this.prefs.autoplay) this.find();
    else this.stop("Playback stops here: autoplay is off");
  }

  async find() {
    const turn = ++this.turn;
    this.engine.pause();
    this.engine.show("loading");
    this.found = true;
    this.say("Finding the next song");
    const found = await this.filler.find();
    if (turn !== this.turn) return;
    if (found && this.queue.next()) this.start(this.found);
    else this.stop(navigator.onLine ? "No other song was found" : "You are offline");
  }

  /** @param {boolean} [play] */
  start(play = true) {
    this.turn += 1;
    this.found = null;
    this.say("");
    this.engine.load(/** @type {Entry} */ (this.queue.current), { play });
    this.changed("song");
    this.edited();
  }

  /** @param {string} why */
  stop(why) {
    this.found = null;
    this.engine.pause();
    this.say(why);
    this.notify(why);
    this.save();
  }

  cannotPlay() {
    const { current } = this.queue;
    if (current) this.choices.unplayable.add(current.track_id);
    this.ledger.abandon();
    this.errors += 1;
    if (this.errors < this.config.error_limit) return this.goOn();
    this.engine.pause();
    this.engine.show("error");
    this.say(`${this.errors} songs in a row could not be played`);
    this.notify(this.status);
    this.errors = 0;
  }

  /** @param {string} cause @returns {boolean} whether it was a skip */
  leave(cause) {
    if (this.engine.state === "error") this.ledger.abandon(); // it is not the song that displeased
    const events = this.ledger.leave(cause, this.engine.heard);
    this.post(events);
    return events.some((event) => /** @type {any} */ (event).action === "skip");
  }

  /** @param {object[]} events */
  post(events) {
    if (!events.length || !this.config.signed_in) return;
    this.save();
    this.writes = this.outbox
      .add(events)
      .then(() => this.outbox.flush())
      .catch(() => {
        report("outbox");
        this.outbox.part();
      });
  }

  /** The queue is another one than before. */
  edited() {
    this.changed("queue");
    this.filler.need();
    this.save();
  }

  /** Other songs shall wait than those that do. */
  refill() {
    if (this.prefs.autoplay && this.queue.current) this.filler.fill(true);
  }

  /** What is banned goes from the smart list, and stops playing. */
  banned() {
    const { current } = this.queue;
    this.queue.drop((entry) => !this.choices.wants(entry));
    if (current && !this.choices.wants(current)) this.next("ban");
    else this.edited();
  }

  /** @param {Partial<typeof PREFS>} change */
  prefer(change) {
    prefer(this, change);
  }

  save() {
    save(this);
  }

  /** @param {number} count */
  lost(count) {
    this.notify(count === 1 ? "1 play could not be saved" : `${count} plays could not be saved`);
    report("outbox");
  }

  /** What the player does now, for bar and screen readers. @param {string} text */
  say(text) {
    this.status = text;
    this.changed("state");
  }

  /** @param {string} text @param {() => void} [act] what can be done about it @param {string} [label] */
  notify(text, act, label = "Undo") {
    this.dispatchEvent(new CustomEvent("notice", { detail: { text, act, label } }));
  }

  /** @param {Kind} kind */
  changed(kind) {
    this.dispatchEvent(new Event(kind));
  }
}
