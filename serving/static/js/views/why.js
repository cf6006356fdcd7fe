/** The dialog that says why a song was recommended. */

import { $ } from "../dom.js";

/** @typedef {import("../session.js").Found} Found */

/** @param {number} share */
const percent = (share) => `${Math.round(100 * share)} %`;

/**
 * @param {import("../session.js").Session} session
 * @param {(song: Found) => void} less
 */
export function why(session, less) {
  const dialog = $("dialog#why");
  /** @type {Found | null} */
  let shown = null;
  $('[data-why="less"]').addEventListener("click", () => {
    if (shown) less(shown);
    dialog.close();
  });
  return () => {
    shown = session.queue.current;
    if (!shown) return session.notify("Nothing plays yet");
    const { reason, origin, generation, fallback } = shown;
    const own = origin === "manual" || origin === "search" || origin === "link";
    const unknown = own ? "You chose this song yourself." : "The reason is not known.";
    $(".lead", dialog).textContent = fallback ?? reason?.text ?? unknown;
    // That one played the song itself is no news.
    const others = (reason?.songs ?? []).filter((song) => song.track_id !== shown?.track_id);
    $(".shares", dialog).replaceChildren(
      ...others.map(({ title, share }) => {
        const item = document.createElement("li");
        const name = Object.assign(document.createElement("bdi"), {
          textContent: title ?? "A song",
        });
        item.append(
          name,
          Object.assign(document.createElement("meter"), { value: share }),
          percent(share),
        );
        return item;
      }),
    );
    const { taste, session: now } = reason ?? {};
    const parts =
      taste == null || now == null
        ? ""
        : `Your taste ${percent(taste)}, this session ${percent(now)}. `;
    $(".note", dialog).textContent = parts + (generation ? `Model ${generation}.` : "");
    dialog.showModal();
  };
}
