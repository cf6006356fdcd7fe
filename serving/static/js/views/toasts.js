/** Short messages that go by themselves; some can be undone while they show. */

import { $, copy } from "../dom.js";

const SHOWN_MS = 8000;
const MOST = 3;

/** @param {import("../session.js").Session} session */
export function toasts(session) {
  const area = $("#toasts");
  session.addEventListener("notice", (/** @type {any} */ { detail: { text, undo } }) => {
    const toast = copy("toast");
    $("p", toast).textContent = text;
    const button = $("button", toast);
    if (undo) {
      button.addEventListener("click", () => {
        toast.remove();
        undo();
      });
    } else button.remove();
    area.append(toast);
    while (area.children.length > MOST) area.firstChild.remove();
    setTimeout(() => toast.remove(), SHOWN_MS);
  });
}
