/** Small helpers of the views. Text of songs is only ever set as text. */

/** @typedef {import("./session.js").Found} Found */

/** @param {string} selector @param {ParentNode} [root] @returns {any} */
export const $ = (selector, root = document) => root.querySelector(selector);

/** @param {string} selector @param {ParentNode} [root] @returns {any[]} */
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** @param {string} id of a template @returns {any} a copy of its element */
export const copy = (id) => $(`template#${id}`).content.firstElementChild.cloneNode(true);

/** @param {any} button @param {string} name of an icon @param {string} [label] */
export function draw(button, name, label) {
  $("use", button).setAttribute("href", `#i-${name}`);
  if (!label) return;
  button.ariaLabel = label;
  button.title = label;
}

/** @param {number} seconds @returns {string} 4:05 */
export function clock(seconds) {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.floor(seconds)) : 0;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** @param {number} seconds @returns {string} as it is spoken */
export function spoken(seconds) {
  const [minutes, rest] = clock(seconds).split(":").map(Number);
  if (!minutes) return rest === 1 ? "1 second" : `${rest} seconds`;
  const said = minutes === 1 ? "1 minute" : `${minutes} minutes`;
  return rest ? `${said} ${rest}` : said;
}

/** @param {string} text for screen readers */
export function announce(text) {
  $("#announce").textContent = text;
}

/** @param {any} element in a card, or the card @returns {Found} its song, and where it was found */
export function songOf(element) {
  const card = element.closest("[data-song]");
  const context = JSON.parse(card.closest("[data-context]")?.dataset.context ?? "{}");
  return {
    ...context,
    ...JSON.parse(card.dataset.song),
    track_id: card.dataset.track,
    title: $(".title", card).textContent.trim(),
    artist: $(".artist", card).textContent.trim(),
  };
}

/** The dials run from familiar to new. @param {number | null} familiar */
export const toDial = (familiar) => 1 - (familiar ?? 0.5);

/** @param {any} dial @returns {number} the share of songs that may be known */
export const fromDial = (dial) => Number((1 - dial.value).toFixed(1));

/** @param {string} trackId @returns {string} */
export const songUrl = (trackId) => `/song/${encodeURIComponent(trackId)}`;
