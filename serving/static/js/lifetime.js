/** What a page takes up from the one before, keeps while it lives, and leaves to the next. */

import { report } from "./api.js";
import * as storage from "./storage.js";

const FLUSH_EVERY_MS = 30_000;

/** @typedef {import("./session.js").Session} Session */

/** Takes up where the last page ended, paused. @param {Session} session */
export function begin(session) {
  const { engine, outbox, config } = session;
  const flush = () => config.signed_in && outbox.flush().catch(() => report("outbox"));
  restore(session, storage.read());
  storage.watch(() => {
    session.behind = true;
  });
  const goAlong = () => {
    if (session.behind && !engine.wanted && !document.hidden) restore(session, storage.read());
  };
  addEventListener("focus", goAlong);
  addEventListener("unauthorized", () => signedOut(session));
  setInterval(flush, FLUSH_EVERY_MS);
  addEventListener("online", () => {
    outbox.notBefore = 0;
    flush();
    if (engine.state === "error" && session.errors === 0) engine.play();
  });
  addEventListener("visibilitychange", () => {
    if (!document.hidden) return goAlong();
    session.save();
    flush();
  });
  addEventListener("pagehide", () => {
    session.save();
    if (config.signed_in) outbox.part();
  });
  flush();
  if (config.signed_in) session.choices.read();
}

/** Goes on as for a stranger; the outbox keeps what is played. @param {Session} session */
function signedOut(session) {
  if (session.expired || !session.config.signed_in) return;
  session.expired = true;
  const here = encodeURIComponent(location.pathname + location.search);
  session.notify(
    "You are signed out. Sign in again, and what you play now counts too.",
    () => location.assign(`/signin?next=${here}`),
    "Sign in",
  );
}

/** One player at a time: who begins takes the lock, and the one that had it pauses. */
export function claim(/** @type {Session} */ session) {
  if (session.owner || !navigator.locks) return;
  session.owner = true;
  session.behind = false;
  const held = navigator.locks.request(
    "nocturne-player",
    { steal: true },
    () => new Promise(() => {}),
  );
  held.catch(() => {
    session.owner = false;
    session.engine.pause();
    session.say("Playing in another tab");
  });
}

/** @param {Session} session */
export function save(session) {
  if (session.behind && !session.engine.wanted) return; // another tab knows better
  session.saved = Date.now();
  const { config, prefs, queue, home, engine, ledger } = session;
  const play = ledger.save(session.saved);
  storage.write({ user: config.user_id, prefs, queue, home, play, position: engine.position });
}

/** @param {Session} session @param {any} state */
function restore(session, { user, prefs, queue, home, play, position }) {
  session.behind = false;
  Object.assign(session.prefs, prefs);
  session.engine.loudness(session.prefs.volume, session.prefs.muted);
  if (user === session.config.user_id && session.queue.restore(queue)) {
    const { current } = session.queue;
    session.home = home ?? [];
    session.ledger.abandon();
    if (play && play.entry.entry_id === current?.entry_id) session.ledger.restore(play, Date.now());
    if (current) session.engine.load(current, { play: false, position });
  }
  for (const kind of /** @type {const} */ (["prefs", "song", "queue", "time"]))
    session.changed(kind);
}
