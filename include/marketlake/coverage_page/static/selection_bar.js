import { button, element } from "./element.js";
import { sessionsWords } from "./words.js";
/** @import { Session } from "./types" */

/**
 * Says what is selected, and offers to fetch it.
 *
 * @param {HTMLElement} bar
 * @param {Session[]} sessions ascending
 * @param {(() => void) | null} fetch null: this reader may not
 * @param {() => void} clear
 */
export function drawSelectionBar(bar, sessions, fetch, clear) {
  bar.hidden = sessions.length === 0;
  if (bar.hidden) return;
  const first = sessions[0]?.date;
  const last = sessions.at(-1)?.date;
  bar.replaceChildren(
    element("span", { role: "status" }, element("b", {}, `${sessionsWords(sessions.length)} selected`),
      `: ${first === last ? first : `${first} to ${last}`}`),
    ...(fetch ? [button("Fetch them", fetch, { class: "primary", id: "fetch-selected" })] : []),
    button("Clear", clear, { class: "secondary" }));
}
