/**
 * Draws the cards and reads them again every ten seconds while somebody looks.
 *
 * @typedef {{state: string, said: string, at: number, facts: string[][], head: string[],
 *   rows: string[][], bars: number[], links: string[][], more: any}} Card
 * @typedef {{id: string, state: string, as_of: string, plays: number, users: number,
 *   items: number, params: Record<string, unknown>}} Generation
 */

export {}; // a module, also for TypeScript

const EVERY_MS = 10_000;
const MISSED_POLLS = 3;
/** @type {Record<string, string>} */
const WORDS = { good: "Good", warning: "Look", bad: "Bad", unknown: "Unknown" };

/** @param {string} selector @param {ParentNode} [root] @returns {any} */
const $ = (selector, root = document) => root.querySelector(selector);
/** @param {string} name @param {string} text */
const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });

const cards = $("#cards");
const dialog = $("#rollback");
const form = $("form", dialog);
/** @type {Map<string, {section: any, missed: number, at: number, busy: boolean}>} */
const shown = new Map();
let mayRollBack = false;
let live = "";

/** @param {string} path @param {RequestInit} [init] @returns {Promise<any>} */
async function ask(path, init) {
  const answer = await fetch(path, { ...init, signal: AbortSignal.timeout(120_000) });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(String(body.detail ?? answer.statusText));
  return body;
}

/** @param {string} text @returns {HTMLElement} a runbook is named by its file */
function cell(text) {
  const [, runbook] = /^infra\/runbooks\/(\w+\.md)$/.exec(text) ?? [];
  if (!runbook) return element("td", text);
  const found = document.createElement("td");
  found.append(Object.assign(element("a", runbook), { href: `runbooks/${runbook}` }));
  return found;
}

/** @param {HTMLTableElement} table @param {string[]} head @param {string[][]} rows */
function fill(table, head, rows) {
  $("thead tr", table).replaceChildren(...head.map((text) => element("th", text)));
  const lines = rows.map((cells) => {
    const line = document.createElement("tr");
    line.append(...cells.map(cell));
    return line;
  });
  $("tbody", table).replaceChildren(...lines);
}

/** @param {any} section @param {string} state @param {string} said */
function judge(section, state, said) {
  section.dataset.state = state;
  $(".state", section).textContent = WORDS[state] ?? state;
  $(".said", section).textContent = said;
}

/** @param {string} name @param {Card} card */
function draw(name, card) {
  const { section } = /** @type {any} */ (shown.get(name));
  judge(section, card.state, card.said);
  $("dl", section).replaceChildren(
    ...card.facts.flatMap(([label, value]) => [element("dt", label), element("dd", value)]),
  );
  fill($("table", section), card.head, card.rows);
  $("figure", section).hidden = !card.bars.length;
  const most = Math.max(1, ...card.bars);
  const bars = $(".bars", section);
  bars.ariaLabel = `Events per hour: ${card.bars.join(", ")}`;
  bars.replaceChildren(
    ...card.bars.map((events) => {
      const bar = document.createElement("i");
      bar.style.height = `${(100 * events) / most}%`;
      bar.title = String(events);
      return bar;
    }),
  );
  $(".links", section).replaceChildren(
    ...card.links.map(([text, href]) => Object.assign(element("a", text), { href })),
  );
  if (name === "live" && card.more.kept) drawKept(section, card.more);
}

/** @param {any} section @param {{live: string, kept: Generation[]}} more */
function drawKept(section, more) {
  live = more.live;
  const current = more.kept.find((generation) => generation.id === live);
  fill(
    $("table", section),
    ["Kept", "Trained until", "Plays", ""],
    more.kept.map((g) => [g.id, g.as_of, g.plays.toLocaleString("en"), g.id === live ? "live" : ""]),
  );
  if (!mayRollBack || !current) return;
  for (const [place, generation] of more.kept.entries()) {
    if (generation.id === live) continue;
    const button = element("button", "Roll back");
    button.ariaLabel = `Roll back to ${generation.id}`;
    button.dataset.to = generation.id;
    button.addEventListener("click", () => open(generation, current));
    $("tbody", section).rows[place].cells[3].append(button);
  }
}

/** @param {Generation} to @param {Generation} current */
function open(to, current) {
  const rows = ["as_of", "plays", "users", "items"].map((field) => [
    field.replace("_", " "),
    String(/** @type {any} */ (current)[field]),
    String(/** @type {any} */ (to)[field]),
  ]);
  for (const name of new Set([...Object.keys(current.params), ...Object.keys(to.params)])) {
    const [was, is] = [current.params[name], to.params[name]];
    if (was !== is) rows.push([name, String(was ?? "-"), String(is ?? "-")]);
  }
  fill($("table", dialog), ["", `Live: ${current.id}`, `Chosen: ${to.id}`], rows);
  form.reset();
  form.dataset.to = to.id;
  form.dataset.live = current.id;
  $("#wanted").textContent = to.id;
  $(".refused", dialog).textContent = "";
  check();
  dialog.showModal();
}

function check() {
  const { typed, reason } = form.elements;
  const ready = typed.value.trim() === form.dataset.to && reason.value.trim();
  $(".danger", form).disabled = !ready || form.ariaBusy === "true";
}

/** @param {Event} event */
async function rollBack(event) {
  event.preventDefault();
  if (form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  check();
  $("#status").textContent = `Rolling back to ${form.dataset.to}`;
  const { typed, reason } = form.elements;
  const body = { to: form.dataset.to, live: form.dataset.live, typed: typed.value.trim(), reason: reason.value.trim() };
  try {
    const { said } = await ask("rollback", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    dialog.close();
    $("#status").textContent = said;
  } catch (error) {
    $(".refused", dialog).textContent = /** @type {Error} */ (error).message;
    $("#status").textContent = "Nothing was rolled back";
  }
  form.ariaBusy = null;
  check();
  await Promise.all(["live", "history"].map(read));
}

/**
 * A card that cannot be read is unknown after three polls, and says its age before.
 * @param {string} name
 */
async function read(name) {
  const card = /** @type {any} */ (shown.get(name));
  if (card.busy) return;
  card.busy = true;
  try {
    draw(name, await ask(`cards/${name}`));
    Object.assign(card, { missed: 0, at: Date.now() });
  } catch {
    card.missed += 1;
    if (card.missed >= MISSED_POLLS || !card.at)
      judge(card.section, "unknown", "It could not be read.");
  }
  card.busy = false;
  age(card);
}

/** @param {{section: any, at: number}} card */
function age({ section, at }) {
  const seconds = Math.round((Date.now() - at) / 1000);
  $(".age", section).textContent = at ? `Read ${seconds} s ago` : "Never read";
}

function poll() {
  if (!document.hidden) for (const name of shown.keys()) read(name);
}

async function begin() {
  const { cards: titles, user, may_roll_back } = await ask("cards");
  mayRollBack = may_roll_back;
  $("#user").textContent = may_roll_back ? `${user}` : `${user}, who may look`;
  for (const [name, title] of Object.entries(titles)) {
    const section = $("template#card").content.firstElementChild.cloneNode(true);
    section.id = `card-${name}`;
    $("h2", section).textContent = title;
    $(".scroll", section).ariaLabel = `${title}: table`;
    judge(section, "unknown", "Reading");
    shown.set(name, { section, missed: 0, at: 0, busy: false });
    cards.append(section);
  }
  poll();
  setInterval(poll, EVERY_MS);
  setInterval(() => shown.forEach(age), 1000);
  addEventListener("visibilitychange", poll);
}

form.addEventListener("input", check);
form.addEventListener("submit", rollBack);
$("[value=cancel]", form).addEventListener("click", () => dialog.close());
begin().catch((error) => {
  $("#status").textContent = `The page could not be read: ${error.message}`;
});
