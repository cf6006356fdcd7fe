/** Links change `<main>` only: a new page would stop the music. */

import { ApiError } from "./api.js";
import { $, announce } from "./dom.js";

const OURS = /^\/($|search$|settings$|song\/)/;

/** @param {() => void} mounted called when another page is shown */
export function createRouter(mounted) {
  const main = $("#main");
  let turn = 0;
  history.scrollRestoration = "manual";

  /** @param {string} url @returns {Promise<{main: DocumentFragment, title: string}>} */
  const load = async (url) => {
    const headers = { Accept: "text/html", "X-Fragment": "main" };
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(15_000) }).catch(
      () => {
        throw new ApiError(0, navigator.onLine ? "the server does not answer" : "you are offline");
      },
    );
    if (new URL(response.url).pathname === "/signin") location.assign(url);
    const title = response.headers.get("X-Title");
    if (title === null) throw new ApiError(response.status, "the server has a problem");
    const whole = document.createElement("template");
    whole.innerHTML = await response.text(); // a page of our own server, escaped there
    return { main: whole.content, title: decodeURIComponent(title) };
  };
  /** @param {string} url @param {string} why */
  const failed = (url, why) => {
    const box = document.createElement("section");
    box.className = "empty";
    const [head, text, again] = ["h1", "p", "a"].map((name) => document.createElement(name));
    head.textContent = "This page could not be loaded";
    text.textContent = `It seems ${why}. What plays goes on.`;
    Object.assign(again, { className: "pill", href: url, textContent: "Retry" });
    box.append(head, text, again);
    main.replaceChildren(box);
  };
  /** @param {string} url @param {number} scroll */
  const show = async (url, scroll) => {
    const mine = ++turn;
    const slow = setTimeout(() => (main.ariaBusy = "true"), 150);
    try {
      const page = await load(url);
      if (mine !== turn) return;
      main.replaceChildren(page.main);
      document.title = `${page.title} · Nocturne`;
      announce(page.title);
    } catch (error) {
      if (mine !== turn) return;
      failed(url, /** @type {Error} */ (error).message);
    } finally {
      clearTimeout(slow);
      if (mine === turn) main.ariaBusy = null;
    }
    mounted();
    scrollTo(0, scroll);
    const heading = $("h1", main) ?? main;
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  };
  /** @param {string} url */
  const go = (url) => {
    history.replaceState({ scroll: scrollY }, "");
    history.pushState({ scroll: 0 }, "", url);
    return show(url, 0);
  };

  document.addEventListener("click", (event) => {
    const link = /** @type {any} */ (event.target).closest("a[href]");
    const other =
      event.defaultPrevented ||
      event.button ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey;
    if (!link || other || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href);
    const jump = url.hash && url.pathname === location.pathname;
    if (url.origin !== location.origin || jump || !OURS.test(url.pathname)) return;
    event.preventDefault();
    go(url.pathname + url.search);
  });
  addEventListener("popstate", (event) => show(location.href, event.state?.scroll ?? 0));
  return { go, load };
}
