/** What the listener set, and what follows from a change. */

import { setCookie } from "./storage.js";

export const PREFS = {
  volume: 1,
  muted: false,
  autoplay: true,
  repeat: false,
  shortcuts: true,
  theme: "auto",
  familiar: /** @type {number | null} */ (null), // null: as the server has it
};

/**
 * @param {import("./session.js").Session} session
 * @param {Partial<typeof PREFS>} change
 */
export function prefer(session, change) {
  const { prefs, engine, queue } = session;
  Object.assign(prefs, change);
  engine.loudness(prefs.volume, prefs.muted);
  for (const name of /** @type {const} */ (["theme", "familiar"])) {
    if (name in change) setCookie(name, prefs[name] ?? "");
  }
  if (change.autoplay === false) queue.drop(() => true);
  if ("familiar" in change) session.refill();
  session.changed("prefs");
  session.edited();
}
