/**
 * Two audio elements: one plays, the other one has the next song ready, so that it can begin in
 * the very moment the first one ends. A locked phone would not let it begin any later.
 *
 * @typedef {{track_id: string, entry_id: string}} Source
 * @typedef {"idle" | "loading" | "playing" | "paused" | "buffering" | "blocked" | "error"} State
 * @typedef {{
 *   state(state: State): void, playing(): void, time(): void, reloading(): void, ended(): void,
 *   nearEnd(): void, unplayable(): void, trouble(kind: "media" | "stall" | "autoplay"): void,
 * }} Hooks `reloading` comes before what was heard of a source is forgotten
 */

import { reachable, streamUrl } from "./api.js";

const RETRY_MS = [1000, 2000, 4000];
const SHOW_BUFFERING_MS = 500;
const STALLED_MS = 15_000;
const PREPARE_S = 30;
const PREPARE_EARLY_S = 120; // a prepared address lives only minutes

export class Engine {
  /** @param {HTMLAudioElement[]} pair @param {Hooks} hooks */
  constructor(pair, hooks) {
    this.active = pair[0];
    this.idle = pair[1];
    this.hooks = hooks;
    /** @type {Source | null} */
    this.source = null;
    /** @type {Source | null} */
    this.prepared = null;
    this.wanted = false; // whether the listener wants to hear something
    this.tries = 0;
    this.seekTo = 0;
    /** @type {State} */
    this.state = "idle";
    /** @type {Record<string, ReturnType<typeof setTimeout> | undefined>} */
    this.timers = {};
    for (const audio of pair) this.listen(audio);
  }

  get position() {
    return this.seekTo || this.active.currentTime;
  }

  get duration() {
    return this.active.duration;
  }

  /** @returns {import("./ledger.js").Heard} */
  get heard() {
    const { played } = this.active;
    /** @type {[number, number][]} */
    const ranges = [];
    for (let n = 0; n < played.length; n += 1) ranges.push([played.start(n), played.end(n)]);
    return { ranges, position: this.position, duration: this.duration };
  }

  /**
   * Makes a song the current one; without a pause if it was prepared.
   * @param {Source} source
   * @param {{play?: boolean, position?: number}} [options]
   */
  load(source, { play = true, position = 0 } = {}) {
    this.rest();
    const ready = this.prepared?.entry_id === source.entry_id && !this.idle.error && !position;
    const before = this.active;
    if (ready) [this.active, this.idle] = [this.idle, this.active];
    this.prepared = null;
    this.source = source;
    this.tries = 0;
    this.seekTo = 0;
    this.wanted = play;
    if (!ready) this.open(position, play ? "auto" : "metadata");
    if (play) this.start(); // before anything else: it is what one hears
    if (ready) before.pause();
    this.idle.removeAttribute("src");
    this.idle.load();
    this.active.dataset.active = "";
    delete this.idle.dataset.active;
    this.show(play ? "loading" : "paused");
  }

  /** @param {number} position seconds @param {"auto" | "metadata"} preload */
  open(position, preload) {
    const { track_id } = /** @type {Source} */ (this.source);
    this.seekTo = position;
    this.active.preload = preload;
    this.active.src = streamUrl(track_id);
    this.active.load();
  }

  /** @param {Source | undefined} source what will most likely play next */
  prepare(source) {
    if (!source || source.entry_id === this.prepared?.entry_id) return;
    this.prepared = source;
    this.idle.preload = "auto";
    this.idle.src = streamUrl(source.track_id);
    this.idle.load();
  }

  play() {
    if (!this.source) return;
    this.wanted = true;
    if (this.active.error || this.state === "error") this.reload();
    else this.start();
  }

  start() {
    this.active.play().catch((error) => {
      if (error.name !== "NotAllowedError") return; // a newer load, or an error that is told anyway
      this.wanted = false;
      this.show("blocked");
      this.hooks.trouble("autoplay");
    });
  }

  pause() {
    this.wanted = false;
    this.rest();
    this.active.pause();
    this.show(this.source ? "paused" : "idle");
  }

  stop() {
    this.pause();
    this.source = null;
    this.active.removeAttribute("src");
    this.active.load();
    this.show("idle");
  }

  /** @param {number} seconds */
  seek(seconds) {
    const end = Number.isFinite(this.duration) ? this.duration : seconds;
    const target = Math.min(Math.max(seconds, 0), end);
    if (this.active.readyState > 0) this.active.currentTime = target;
    else this.seekTo = target;
    this.hooks.time();
  }

  /** @param {number} volume 0 to 1 @param {boolean} muted */
  loudness(volume, muted) {
    for (const audio of [this.active, this.idle]) Object.assign(audio, { volume, muted });
  }

  /** Asks for a new address of the same song, and goes on where it was. */
  reload() {
    this.rest();
    const position = this.position;
    this.hooks.reloading();
    this.open(position, "auto");
    this.show(this.wanted ? "buffering" : "paused");
    if (this.wanted) this.start();
  }

  /** @param {HTMLAudioElement} audio */
  listen(audio) {
    /** @param {string} name @param {() => void} act */
    const on = (name, act) => audio.addEventListener(name, () => audio === this.active && act());
    on("loadedmetadata", () => {
      if (this.seekTo) audio.currentTime = Math.min(this.seekTo, audio.duration || this.seekTo);
      this.seekTo = 0;
      this.hooks.time();
    });
    on("playing", () => {
      this.rest();
      this.show("playing");
      this.hooks.playing();
    });
    on("pause", () => {
      // The system may pause too: a call, or headphones that are pulled out.
      if (this.wanted && !audio.ended && !audio.error && this.state === "playing") this.pause();
    });
    on("waiting", () => this.stalled());
    on("timeupdate", () => {
      // Loading anew also fires this, before anything is heard.
      if (audio.readyState > 2 && audio.currentTime > 0) this.tries = 0;
      this.nearEnd();
      this.hooks.time();
    });
    on("progress", () => this.nearEnd());
    on("durationchange", () => this.hooks.time());
    on("ended", () => {
      this.rest();
      this.hooks.ended();
    });
    on("error", () => this.failed());
  }

  nearEnd() {
    const { currentTime, duration, buffered } = this.active;
    const left = duration - currentTime;
    const whole = buffered.length > 0 && buffered.end(buffered.length - 1) >= duration - 0.5;
    if (left <= PREPARE_S || (whole && left <= PREPARE_EARLY_S)) this.hooks.nearEnd();
  }

  stalled() {
    if (!this.wanted) return;
    this.after("buffering", SHOW_BUFFERING_MS, () => this.show("buffering"));
    this.after("stall", STALLED_MS, () => {
      this.hooks.trouble("stall");
      this.retry();
    });
  }

  async failed() {
    const { error, src } = this.active;
    if (!error || !this.source || !this.wanted) return; // `play` loads anew
    this.rest();
    this.hooks.trouble("media");
    // Once it had begun, the likely cause is the network, or an address that is no longer good.
    const begun = this.active.readyState > 0 || this.active.played.length > 0;
    const decoding = error.code === MediaError.MEDIA_ERR_DECODE;
    const lost = !decoding && (begun || this.seekTo > 0 || !(await reachable(src)));
    if (this.active.src !== src) return;
    if (lost) this.retry();
    else this.hooks.unplayable();
  }

  retry() {
    const wait = RETRY_MS[this.tries];
    this.wanted = wait !== undefined;
    this.tries = this.wanted ? this.tries + 1 : 0;
    this.show(this.wanted ? "buffering" : "error");
    if (this.wanted) this.after("retry", wait, () => this.reload());
  }

  /** @param {string} name @param {number} ms @param {() => void} act */
  after(name, ms, act) {
    clearTimeout(this.timers[name]);
    this.timers[name] = setTimeout(act, ms);
  }

  /** Whatever was waited for is over. */
  rest() {
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
  }

  /** @param {State} state */
  show(state) {
    this.state = state;
    this.hooks.state(state);
  }
}
