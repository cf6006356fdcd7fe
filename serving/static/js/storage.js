/** What outlives the page: one key, of one version, and what was searched for. */

const KEY = "nocturne.v1";
export const SEARCHES = "nocturne.searches";

/** @returns {any} */
export function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    return {};
  }
}

/** @param {object} state */
export function write(state) {
  try {
    localStorage.setItem(KEY, JSON.stringify(state));
  } catch {
    // Full, or forbidden: the music plays on, it is only not remembered.
  }
}

/** @param {(state: any) => void} act when another tab has written */
export function watch(act) {
  addEventListener("storage", (event) => event.key === KEY && act(read()));
}

/** The next listener at this browser sees nothing of the last one. */
export function forget() {
  for (const key of [KEY, SEARCHES]) localStorage.removeItem(key);
}

/**
 * A cookie is for what the server must know to draw the page: theme and dial.
 * @param {string} name @param {string | number} value
 */
export function setCookie(name, value) {
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not everywhere yet
  document.cookie = `nocturne_${name}=${value}; path=/; max-age=31536000; SameSite=Lax`;
}
