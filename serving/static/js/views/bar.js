/** The player bar: what plays, and the buttons for it. */

import { coverUrl } from "../api.js";
import { $, announce, clock, draw, songUrl, spoken } from "../dom.js";

/** @type {Record<string, string>} */
const WORDS = { blocked: "Press play", buffering: "Buffering", error: "This does not play now" };

/** @type {Record<string, number>} seconds that a key moves the position */
const STEPS = {
  PageUp: 15,
  PageDown: -15,
  ArrowUp: 5,
  ArrowRight: 5,
  ArrowDown: -5,
  ArrowLeft: -5,
};

/** @param {import("../session.js").Session} session @returns {Record<string, () => void>} */
export function bar(session) {
  const { engine, prefs } = session;
  const footer = $("#bar");
  const [seek, volume, play] = [$("#seek"), $("#volume"), $("#play")];
  let dragging = false;

  const length = () => {
    const known = engine.duration;
    return Number.isFinite(known) ? known : (session.queue.current?.duration_ms ?? 0) / 1000;
  };
  /** @param {any} range @param {number} value */
  const fill = (range, value) => {
    range.value = value;
    range.style.setProperty("--done", `${(100 * value) / (range.max || 1)}%`);
  };
  const drawTime = () => {
    const whole = length();
    const at = dragging ? Number(seek.value) : engine.position;
    seek.max = Math.max(whole, 1);
    fill(seek, at);
    $("#elapsed").textContent = clock(at);
    $("#length").textContent = clock(whole);
    // The end is told once, not with every second.
    const end = document.activeElement === seek ? "" : ` of ${spoken(whole)}`;
    seek.setAttribute("aria-valuetext", spoken(at) + end);
  };
  const drawSong = () => {
    const song = session.queue.current;
    footer.toggleAttribute("data-empty", !song);
    seek.disabled = !song;
    for (const name of ["cover", "title"]) $(`#${name}`).hidden = !song;
    if (!song) return;
    $("#cover").src = coverUrl(song.track_id, 96);
    Object.assign($("#title"), { textContent: song.title, href: songUrl(song.track_id) });
    $("#artist").textContent = song.artist;
    if (engine.wanted) announce(`Now playing: ${song.title} by ${song.artist}`);
    drawChoice();
  };
  const drawState = () => {
    const { state } = engine;
    document.documentElement.dataset.state = state;
    const label = session.wanted ? "Pause" : state === "error" ? "Retry" : "Play";
    draw(play, session.wanted ? "pause" : "play", label);
    $("#status").textContent = session.status || WORDS[state] || "";
  };
  const drawChoice = () => {
    const id = session.queue.current?.track_id;
    $('[data-do="love"]', footer).ariaPressed = String(
      session.choices.get(`song:${id}`) === "love",
    );
  };
  const drawPrefs = () => {
    fill(volume, prefs.muted ? 0 : prefs.volume);
    draw($('[data-do="mute"]'), prefs.muted ? "muted" : "volume", prefs.muted ? "Unmute" : "Mute");
    $('[data-do="repeat"]').ariaPressed = String(prefs.repeat);
  };

  seek.addEventListener("input", () => {
    dragging = true;
    drawTime();
  });
  seek.addEventListener("change", () => {
    dragging = false;
    engine.seek(Number(seek.value));
  });
  seek.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const by = STEPS[event.key];
    if (!by) return;
    event.preventDefault();
    engine.seek(engine.position + by);
  });
  seek.addEventListener("blur", drawTime);
  volume.addEventListener("input", () =>
    session.prefer({ volume: Number(volume.value), muted: false }),
  );
  for (const [kind, act] of Object.entries({
    time: drawTime,
    song: drawSong,
    state: drawState,
    choices: drawChoice,
    prefs: drawPrefs,
  }))
    session.addEventListener(kind, act);

  return {
    toggle: () => session.toggle(),
    next: () => session.next(),
    previous: () => session.previous(),
    mute: () => session.prefer({ muted: !prefs.muted }),
    repeat: () => session.prefer({ repeat: !prefs.repeat }),
  };
}
