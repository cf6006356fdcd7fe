/** The queue panel: now, the listener's own songs, and what the recommender goes on with. */

import { coverUrl } from "../api.js";
import { $, $$, copy, fromDial, toDial } from "../dom.js";

const SKELETONS = 3;

/** @param {import("../session.js").Session} session */
export function queuePanel(session) {
  const { queue, prefs, filler } = session;
  const panel = $("#queue");
  const opener = $('#bar [data-do="queue"]');
  const narrow = matchMedia("(max-width: 60rem)");
  let dragged = "";

  /** @param {import("../queue.js").Entry} entry @param {string} list */
  const row = (entry, list) => {
    const item = copy("row");
    Object.assign(item.dataset, {
      track: entry.track_id,
      entry: entry.entry_id,
      testid: `${list}-row`,
    });
    item.draggable = list !== "now";
    $("img", item).src = coverUrl(entry.track_id, 96);
    $(".title", item).textContent = entry.title;
    $(".artist", item).textContent = entry.artist;
    $(".chip", item).textContent =
      list === "smart" ? (entry.fallback ?? entry.reason?.text ?? "") : "";
    $(".pic", item).ariaLabel = `Play ${entry.title}`;
    for (const button of $$(".acts button", item)) {
      const unfit = list === "now" || (button.dataset.row === "pin" && list === "mine");
      if (unfit) button.remove();
      else button.ariaLabel = `${button.title}: ${entry.title}`;
    }
    return item;
  };
  const skeletons = () =>
    Array.from({ length: SKELETONS }, () => {
      const item = document.createElement("li");
      item.className = "row skeleton";
      return item;
    });
  const note = () => {
    if (!prefs.autoplay)
      return queue.mine.length ? "Your queue plays, then playback stops." : "Playback stops here.";
    if (filler.failed && queue.current) return "No new recommendations could be had.";
    if (!queue.current) return "Play a song, and what fits comes next.";
    return filler.note;
  };
  const drawAll = () => {
    if (panel.hidden) return;
    const focus = /** @type {any} */ (document.activeElement);
    const held = focus?.closest("#queue .row")?.dataset.entry;
    const smart = queue.smart.map((entry) => row(entry, "smart"));
    const filling = filler.busy && !smart.length;
    $("#now").replaceChildren(...(queue.current ? [row(queue.current, "now")] : []));
    $("#mine").replaceChildren(...queue.mine.map((entry) => row(entry, "mine")));
    $("#smart").replaceChildren(...(filling ? skeletons() : smart));
    $("#smart").ariaBusy = String(filling);
    $("#smart-note").textContent = note();
    $("#mine-note").hidden = queue.mine.length > 0;
    $('[data-do="clear"]').hidden = !queue.mine.length;
    $("#refill").hidden = !(filler.failed && prefs.autoplay);
    if (!held || panel.contains(document.activeElement)) return;
    // The row was drawn anew, or is gone: the focus stays with it, or with the panel.
    const again = $$(".row", panel).find((item) => item.dataset.entry === held);
    ((again && $(`[data-row="${focus.dataset.row}"]`, again)) ?? $("h2", panel)).focus();
  };
  const drawPrefs = () => {
    $("#autoplay").checked = prefs.autoplay;
    $("#dial").value = toDial(prefs.familiar);
  };
  const toggle = () => {
    panel.hidden = !panel.hidden;
    opener.ariaExpanded = String(!panel.hidden);
    document.documentElement.toggleAttribute("data-queue", !panel.hidden);
    $("#main").inert = !panel.hidden && narrow.matches;
    drawAll();
    (panel.hidden ? opener : $("h2", panel)).focus();
  };

  /** @type {Record<string, (id: string) => unknown>} */
  const acts = {
    jump: (id) => session.jump(id),
    up: (id) => queue.move(id, -1),
    down: (id) => queue.move(id, 1),
    pin: (id) => queue.pin(id),
    remove: (id) => queue.remove(id),
  };
  panel.addEventListener("click", (/** @type {any} */ event) => {
    const button = event.target.closest("[data-row]");
    if (!button) return;
    const id = button.closest(".row").dataset.entry;
    if (id === queue.current?.entry_id) return session.toggle();
    acts[button.dataset.row](id);
    session.edited();
  });
  panel.addEventListener("dragstart", (/** @type {any} */ event) => {
    dragged = event.target.closest?.(".row")?.dataset.entry ?? "";
  });
  panel.addEventListener("dragover", (/** @type {any} */ event) => {
    if (dragged && event.target.closest("#mine, #smart")) event.preventDefault();
  });
  panel.addEventListener("drop", (/** @type {any} */ event) => {
    event.preventDefault();
    const list = event.target.closest("#mine, #smart");
    if (list?.id === "mine") queue.pin(dragged);
    const entries = queue.listOf(dragged) ?? [];
    const place = (/** @type {string | undefined} */ id) =>
      entries.findIndex((e) => e.entry_id === id);
    const target = place(event.target.closest(".row")?.dataset.entry);
    if (target >= 0) queue.move(dragged, target - place(dragged));
    dragged = "";
    session.edited();
  });
  panel.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") toggle();
  });
  narrow.addEventListener("change", () => {
    $("#main").inert = !panel.hidden && narrow.matches;
  });
  $("#autoplay").addEventListener("change", () =>
    session.prefer({ autoplay: $("#autoplay").checked }),
  );
  $("#dial").addEventListener("change", () => session.prefer({ familiar: fromDial($("#dial")) }));
  for (const kind of ["queue", "song"]) session.addEventListener(kind, drawAll);
  session.addEventListener("prefs", drawPrefs);

  return {
    /** Another page is shown: a sheet that covers it goes. */
    mount: () => {
      if (!panel.hidden && narrow.matches) toggle();
    },
    acts: {
      queue: toggle,
      clear: () => {
        queue.mine = [];
        session.edited();
        $("h2", panel).focus();
      },
      refill: () => session.filler.fill(),
    },
  };
}
