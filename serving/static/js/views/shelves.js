/** Shelves and cards: refresh, retry, what was played last, and the menu of a card. */

import { coverUrl } from "../api.js";
import { keyOf } from "../choices.js";
import { $, $$, copy, songOf, songUrl } from "../dom.js";

const CONTINUED = 12;

/** @typedef {import("../session.js").Found} Found */

/**
 * @param {import("../session.js").Session} session
 * @param {{go(url: string): void, load(url: string): Promise<{main: DocumentFragment}>}} router
 */
export function shelves(session, router) {
  const menu = $("#menu");
  /** @type {any} */
  let opener;

  /** @param {any} _button @param {Found} song */
  const share = async (_button, song) => {
    const url = new URL(songUrl(song.track_id), location.href).href;
    try {
      if (navigator.share) await navigator.share({ title: `${song.title} by ${song.artist}`, url });
      else {
        await navigator.clipboard.writeText(url);
        session.notify("Link copied");
      }
    } catch {
      // Sharing was called off.
    }
  };
  /**
   * @param {Found} song @param {string} value @param {"song" | "artist"} scope
   * @param {string} said when it is saved
   */
  const choose = async (song, value, scope, said) => {
    const before = session.choices.get(keyOf(song, scope)) ?? null;
    const wanted = before === value ? null : value;
    if (!(await session.choices.choose(song, wanted, scope))) return;
    const undo = () => session.choices.choose(song, before, scope);
    session.notify(wanted ? said : "Taken back", undo);
  };
  /** @type {Record<string, (song: Found) => Promise<void>>} */
  const choices = {
    love: (song) => choose(song, "love", "song", "Loved"),
    less: (song) => choose(song, "less", "song", "You will hear less like this"),
    ban: (song) => choose(song, "ban", "song", `“${song.title}” will not play again`),
    "ban-artist": (song) => choose(song, "ban", "artist", `${song.artist} will not play again`),
  };
  /** @type {Record<string, (song: Found) => unknown>} */
  const items = {
    ...choices,
    add: (song) => session.add(song),
    share: (song) => share(opener, song),
    open: (song) => router.go(songUrl(song.track_id)),
  };
  const mark = () => {
    for (const item of $$("[data-menu][aria-pressed], #menu [data-menu]")) {
      const card = item.closest("[data-song]") ?? opener;
      if (!card) continue;
      const [value, scope] = item.dataset.menu.split("-");
      const key = keyOf(songOf(card), scope ? "artist" : "song");
      if (value in choices) item.ariaPressed = String(session.choices.get(key) === value);
    }
  };
  document.addEventListener("click", (/** @type {any} */ event) => {
    const item = event.target.closest("[data-menu]");
    if (!item) return;
    const song = songOf(item.closest("[data-song]") ?? opener);
    menu.close();
    items[item.dataset.menu](song);
  });
  menu.addEventListener("click", (/** @type {any} */ event) => {
    if (event.target === menu) menu.close(); // beside it
  });
  session.addEventListener("choices", mark);

  const greet = () => {
    const hour = new Date().getHours();
    const part = hour < 5 ? "night" : hour < 12 ? "morning" : hour < 18 ? "afternoon" : "evening";
    $("#greeting").textContent = `Good ${part}`;
  };
  const goOn = () => {
    const shelf = $("#shelf-continue");
    const played = [session.queue.current, ...[...session.queue.history].reverse()];
    const cards = new Map();
    for (const song of played) {
      if (!song || !session.choices.wants(song) || cards.has(song.track_id)) continue;
      const card = copy("card");
      card.dataset.track = song.track_id;
      const { artist_id, duration_ms } = song;
      card.dataset.song = JSON.stringify({ artist_id, duration_ms, origin: "shelf:continue" });
      $("img", card).src = coverUrl(song.track_id, 256);
      Object.assign($(".title", card), { textContent: song.title, href: songUrl(song.track_id) });
      $(".artist", card).textContent = song.artist;
      cards.set(song.track_id, card);
      if (cards.size === CONTINUED) break;
    }
    shelf.hidden = !cards.size;
    $(".cards", shelf).replaceChildren(...cards.values());
  };
  const equip = () => {
    for (const card of $$("main .card:not(:has(.acts))")) {
      const { title, playable } = songOf(card);
      if (playable === false) continue;
      const acts = copy("acts");
      for (const button of $$("button", acts)) button.ariaLabel += ` ${title}`;
      $(".cover", card).append($(".disc", acts));
      card.append($(".acts", acts));
    }
  };
  const mount = () => {
    if ($("#greeting")) {
      greet();
      goOn();
    }
    equip();
    mark();
    if (!$("#greeting")) return;
    const songs = $$(".shelf:not(#shelf-continue) .card", $("#main")).map(songOf);
    if (songs.length) session.home = songs;
  };
  return {
    mount,
    choices,
    acts: {
      /** @param {any} button */
      play: (button) => session.play(songOf(button)),
      /** @param {any} button */
      add: (button) => session.add(songOf(button)),
      love: () => session.queue.current && choices.love(session.queue.current),
      ban: () => session.queue.current && choices.ban(session.queue.current),
      /** @param {any} button */
      menu: (button) => {
        opener = button;
        $(".menu-title", menu).textContent = songOf(button).title;
        mark();
        menu.showModal();
        const { right, bottom } = button.getBoundingClientRect();
        const { offsetWidth, offsetHeight } = menu;
        menu.style.left = `${Math.max(8, right - offsetWidth)}px`;
        menu.style.top = `${Math.max(8, Math.min(bottom, innerHeight - offsetHeight - 8))}px`;
      },
      /** @param {any} button */
      all: (button) => {
        const open = $(".cards", button.closest("section")).classList.toggle("wrap");
        button.ariaExpanded = String(open);
        button.firstChild.data = open ? "See less" : "See all";
      },
      /** Draws one shelf anew. @param {any} button */
      refresh: async (button) => {
        const shelf = button.closest("section");
        const cards = $(".cards", shelf);
        shelf.ariaBusy = "true";
        $(".failed", shelf)?.remove();
        try {
          const { main } = await router.load("/");
          const fresh = $(`#${shelf.id}`, main);
          if (!fresh) throw new Error("there is nothing to show just now");
          shelf.dataset.context = fresh.dataset.context;
          cards.replaceChildren(...$(".cards", fresh).children);
          equip();
        } catch (error) {
          const failed = document.createElement("p");
          failed.className = "failed notice";
          failed.setAttribute("role", "alert");
          failed.textContent = `Not refreshed: ${/** @type {Error} */ (error).message}. `;
          const retry = Object.assign(document.createElement("button"), {
            className: "text",
            textContent: "Retry",
          });
          retry.dataset.do = "refresh";
          failed.append(retry);
          cards.before(failed);
        }
        shelf.ariaBusy = null;
      },
    },
  };
}
