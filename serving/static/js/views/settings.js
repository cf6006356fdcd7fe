/** The settings page; the server draws it, this makes it act. */

import { ask, songPath } from "../api.js";
import { clear } from "../database.js";
import { $, $$, fromDial, toDial } from "../dom.js";
import { forget } from "../storage.js";

/** @param {import("../session.js").Session} session */
export function settings(session) {
  const { prefs } = session;
  const said = (/** @type {string} */ text) => {
    if ($("#saved")) $("#saved").textContent = text;
  };
  const theme = () => {
    document.documentElement.dataset.theme = prefs.theme;
  };
  const forgetMe = async () => {
    forget();
    await clear().catch(() => {});
  };
  session.addEventListener("prefs", theme);
  document.addEventListener("submit", (/** @type {any} */ event) => {
    if (event.target.id !== "signout") return;
    session.engine.stop();
    session.save = () => {}; // the next listener begins with an empty player
    forget();
  });

  const mount = () => {
    for (const input of $$("[name=theme]")) {
      input.checked = input.value === prefs.theme;
      input.onchange = () => {
        session.prefer({ theme: input.value });
        said("Saved");
      };
    }
    for (const input of $$("[data-pref]")) {
      const name = /** @type {"autoplay" | "shortcuts" | "familiar"} */ (input.dataset.pref);
      if (name === "familiar") input.value = toDial(prefs.familiar);
      else input.checked = prefs[name];
      input.onchange = () => {
        session.prefer({ [name]: name === "familiar" ? fromDial(input) : input.checked });
        said("Saved");
      };
    }
    const word = $("#erase-word");
    if (word)
      word.oninput = () => {
        $('[data-do="erase-now"]').disabled = word.value.trim().toLowerCase() !== "erase";
      };
  };
  return {
    mount,
    acts: {
      erase: () => $("dialog#erase").showModal(),
      "erase-now": async () => {
        try {
          await ask("POST", "/me/erase");
        } catch (error) {
          $("#erase-status").textContent = `Not erased: ${/** @type {Error} */ (error).message}`;
          return;
        }
        session.save = () => {};
        await forgetMe();
        location.assign("/signin");
      },
      /** @param {any} button */
      forget: async (button) => {
        const { track, scope, id } = button.closest("li").dataset;
        try {
          await ask("PUT", `${songPath(track)}/feedback`, { value: null, scope });
        } catch (error) {
          return session.notify(`That could not be saved: ${/** @type {Error} */ (error).message}`);
        }
        session.choices.note(`${scope}:${id}`, null);
        button.closest("li").remove();
        $("#choices").focus();
        $("#no-choices").hidden = $(".choices li") !== null;
        session.notify("Taken back");
      },
    },
  };
}
