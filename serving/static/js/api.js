/** The server's JSON API, in the cookie's name. */

/** An answer that is an error; `status` 0 when there was none at all. */
export class ApiError extends Error {
  /** @param {number} status @param {string} detail @param {number} [retryMs] */
  constructor(status, detail, retryMs = 0) {
    super(detail);
    this.status = status;
    this.retryMs = retryMs;
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body] sent as JSON
 * @param {{timeout?: number, signal?: AbortSignal, keepalive?: boolean}} [options] timeout in ms
 * @returns {Promise<any>} the JSON of the answer, null for one without; the window hears
 *   `unauthorized` when the cookie is good no more
 * @throws {ApiError}
 */
export async function ask(method, path, body, options = {}) {
  const limit = AbortSignal.timeout(options.timeout ?? 10_000);
  const signal = options.signal ? AbortSignal.any([limit, options.signal]) : limit;
  /** @type {RequestInit} */
  const init = {
    method,
    signal,
    keepalive: options.keepalive,
    headers: { Accept: "application/json" },
  };
  if (body !== undefined) {
    init.headers = { ...init.headers, "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  try {
    const response = await fetch(path, init);
    if (response.ok) return response.status === 204 ? null : await response.json();
    const problem = await response.json().catch(() => ({}));
    if (response.status === 401) dispatchEvent(new Event("unauthorized"));
    const detail = response.status === 401 ? "sign in again" : problem.detail;
    const retry = retryAfter(response.headers.get("Retry-After"), Date.now());
    throw new ApiError(response.status, detail ?? response.statusText, retry);
  } catch (error) {
    if (error instanceof ApiError || options.signal?.aborted) throw error;
    throw new ApiError(0, navigator.onLine ? "the server does not answer" : "you are offline");
  }
}

/** @param {string | null} value seconds or a date @param {number} now @returns {number} ms */
export function retryAfter(value, now) {
  if (!value) return 0;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 600_000) : 0;
}

/** @param {string} trackId @returns {string} */
export const songPath = (trackId) => `/songs/${encodeURIComponent(trackId)}`;

/** @param {string} trackId @param {96 | 256 | 512} size @returns {string} */
export const coverUrl = (trackId, size) => `${songPath(trackId)}/cover?size=${size}`;

/** @param {string} trackId @returns {string} */
export const streamUrl = (trackId) => `${songPath(trackId)}/stream`;

/**
 * Whether the server would say where the song is: then the song itself is what is wrong.
 * @param {string} url
 */
export async function reachable(url) {
  try {
    const answer = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(5000) });
    return answer.type === "opaqueredirect" || answer.status === 404 || answer.ok;
  } catch {
    return false;
  }
}

/**
 * Counts what went wrong here; it must never make anything worse.
 * @param {"media" | "stall" | "autoplay" | "outbox" | "script"} kind
 * @param {string} [trackId]
 */
export function report(kind, trackId) {
  ask("POST", "/client-errors", trackId ? { kind, track_id: trackId } : { kind }).catch(() => {});
}
