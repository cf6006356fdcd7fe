/** Keyboard shortcuts, which leave every control the keys that are its own. */

import { $ } from "./dom.js";

const BUSY = "input, textarea, select, button, a, dialog, [contenteditable], [role=option]";

/**
 * @param {import("./session.js").Session} session
 * @param {Record<string, (element?: any) => void>} acts
 */
export function keys(session, acts) {
  const { engine, prefs } = session;
  const seek = (/** @type {number} */ by) => engine.seek(engine.position + by);
  const louder = (/** @type {number} */ by) =>
    session.prefer({ volume: Math.min(1, Math.max(0, prefs.volume + by)), muted: false });
  /** @type {Record<string, () => void>} */
  const all = {
    " ": acts.toggle,
    k: acts.toggle,
    ArrowLeft: () => seek(-5),
    ArrowRight: () => seek(5),
    "Shift+ArrowLeft": acts.previous,
    "Shift+ArrowRight": acts.next,
    j: acts.previous,
    l: acts.next,
    ArrowUp: () => louder(0.05),
    ArrowDown: () => louder(-0.05),
    m: acts.mute,
    q: acts.queue,
    "/": () => $("#search").focus(),
    "?": () => $("dialog#help").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const taken = event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey;
    if (!prefs.shortcuts || taken || target.closest(BUSY)) return;
    const arrow = event.shiftKey && event.key.startsWith("Arrow");
    const act = all[arrow ? `Shift+${event.key}` : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
