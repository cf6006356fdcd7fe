/** Short messages that go by themselves; with some, something can be done while they show. */

import { $, copy } from "../dom.js";

const SHOWN_MS = 8000;
const MOST = 3;

/** @param {import("../session.js").Session} session */
export function toasts(session) {
  const area = $("#toasts");
  session.addEventListener("notice", (/** @type {any} */ { detail: { text, act, label } }) => {
    const toast = copy("toast");
    $("p", toast).textContent = text;
    const button = $("button", toast);
    /** @type {any} */
    let before;
    const close = () => {
      const held = toast.contains(document.activeElement);
      toast.remove();
      if (held) (before?.isConnected ? before : $("#main")).focus();
    };
    if (act) {
      button.textContent = label;
      button.addEventListener("focus", (/** @type {FocusEvent} */ event) => {
        before = event.relatedTarget;
      });
      button.addEventListener("click", () => {
        close();
        act();
      });
    } else button.remove();
    const later = () =>
      setTimeout(() => (toast.matches(":hover, :focus-within") ? later() : close()), SHOWN_MS);
    area.append(toast);
    while (area.children.length > MOST) area.firstChild.remove();
    later();
  });
}
