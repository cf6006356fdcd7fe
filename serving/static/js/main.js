/** Puts the player together, once per page load. */

import { report } from "./api.js";
import { $, $$ } from "./dom.js";
import { keys } from "./keys.js";
import { begin } from "./lifetime.js";
import { mediaSession } from "./mediasession.js";
import { createRouter } from "./router.js";
import { Session } from "./session.js";
import { bar } from "./views/bar.js";
import { queuePanel } from "./views/queue.js";
import { searchBox } from "./views/search.js";
import { settings } from "./views/settings.js";
import { shelves } from "./views/shelves.js";
import { toasts } from "./views/toasts.js";
import { why } from "./views/why.js";

const MOST_REPORTS = 5;
let reports = 0;
for (const kind of ["error", "unhandledrejection"]) {
  addEventListener(kind, () => reports++ < MOST_REPORTS && report("script"));
}

const session = new Session(JSON.parse($("#config").textContent), $$("audio[id]"));
const router = createRouter(() => mount());
const cards = shelves(session, router);
const page = settings(session);
const panel = queuePanel(session);
const box = searchBox(router.go);

/** @type {Record<string, (element?: any) => any>} what `data-do` names */
const acts = {
  ...bar(session),
  ...panel.acts,
  ...cards.acts,
  ...page.acts,
  why: why(session, cards.choices.less),
};

function mount() {
  for (const view of [cards, page, panel, box]) view.mount();
}

toasts(session);
mediaSession(session);
keys(session, acts);
document.addEventListener("click", (event) => {
  const button = /** @type {any} */ (event.target).closest("[data-do]");
  acts[button?.dataset.do]?.(button);
});
begin(session);
mount();
