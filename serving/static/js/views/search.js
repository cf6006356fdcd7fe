/** The search box: suggestions while one types, as a combobox. */

import { ask, coverUrl } from "../api.js";
import { $, $$, announce, songUrl } from "../dom.js";
import { SEARCHES } from "../storage.js";

const AFTER_MS = 200;
const MOST = 7;
const MOST_RECENT = 6;

/** @param {(url: string) => void} go */
export function searchBox(go) {
  const [box, list] = [$("#search"), $("#found")];
  let request = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let typed = false; // since the page was shown

  const recent = () =>
    /** @type {string[]} */ (JSON.parse(localStorage.getItem(SEARCHES) ?? "[]"));
  const close = () => {
    clearTimeout(timer);
    request.abort();
    list.hidden = true;
    list.replaceChildren();
    box.ariaExpanded = "false";
    box.removeAttribute("aria-activedescendant");
  };
  /** @param {HTMLElement[]} options @param {string} said */
  const open = (options, said) => {
    list.replaceChildren(...options);
    list.hidden = !options.length;
    box.ariaExpanded = String(options.length > 0);
    box.removeAttribute("aria-activedescendant");
    announce(said);
  };
  /** @param {string} url @param {string} main @param {string} [under] @param {string} [cover] */
  const option = (url, main, under, cover) => {
    const item = document.createElement("li");
    Object.assign(item, { role: "option", id: `found-${url}`, ariaSelected: "false" });
    item.dataset.url = url;
    const text = document.createElement("span");
    text.append(Object.assign(document.createElement("b"), { textContent: main, dir: "auto" }));
    if (under)
      text.append(
        Object.assign(document.createElement("small"), { textContent: under, dir: "auto" }),
      );
    if (cover) item.append(Object.assign(new Image(40, 40), { src: cover, alt: "" }));
    item.append(text);
    return item;
  };
  /** @param {string} text */
  const page = (text) => `/search?${new URLSearchParams({ q: text })}`;
  const suggest = async () => {
    const text = box.value.trim();
    if (!text)
      return open(
        recent().map((old) => option(page(old), old, "Searched before")),
        "",
      );
    request.abort(); // an older answer must not overtake this one
    request = new AbortController();
    const { signal } = request;
    try {
      const { songs } = await ask("GET", `${page(text)}&limit=${MOST}`, undefined, { signal });
      if (signal.aborted) return;
      open(
        songs.map((/** @type {any} */ song) =>
          option(songUrl(song.track_id), song.title, song.artist, coverUrl(song.track_id, 96)),
        ),
        `${songs.length} suggestions`,
      );
    } catch {
      if (!signal.aborted) close();
    }
  };
  /** @param {number} by */
  const move = (by) => {
    const options = $$("[role=option]", list);
    const at = options.findIndex((item) => item.ariaSelected === "true");
    const target =
      options[(at + by + options.length + (at < 0 && by < 0 ? 1 : 0)) % options.length];
    for (const item of options) item.ariaSelected = String(item === target);
    if (!target) return;
    box.setAttribute("aria-activedescendant", target.id);
    target.scrollIntoView({ block: "nearest" });
  };
  /** @param {string} url */
  const leave = (url) => {
    const text = box.value.trim();
    const words = [text, ...recent().filter((old) => old !== text)].filter(Boolean);
    localStorage.setItem(SEARCHES, JSON.stringify(words.slice(0, MOST_RECENT)));
    typed = false;
    close();
    go(url);
  };

  box.addEventListener("input", () => {
    typed = true;
    clearTimeout(timer);
    timer = setTimeout(suggest, AFTER_MS);
  });
  box.addEventListener("focus", () => box.value || suggest());
  box.addEventListener("blur", close);
  box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") close();
    if (!by) return;
    event.preventDefault();
    if (list.hidden) suggest();
    else move(by);
  });
  box.form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    leave($('[aria-selected="true"]', list)?.dataset.url ?? page(box.value.trim()));
  });
  // Before the box loses the focus, which closes the list.
  list.addEventListener("pointerdown", (/** @type {any} */ event) => event.preventDefault());
  list.addEventListener("click", (/** @type {any} */ event) => {
    const url = event.target.closest("[data-url]")?.dataset.url;
    if (url) leave(url);
  });
  return {
    /** Another page is shown: the box says what it was searched for. */
    mount: () => {
      if (typed && document.activeElement === box) return;
      const { pathname, search } = location;
      box.value = (pathname === "/search" && new URLSearchParams(search).get("q")) || "";
      typed = false;
    },
  };
}
