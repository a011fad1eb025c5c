import { certificateSections } from "./certificate.js";
import { element } from "./element.js";
import { Revisions } from "./revisions.js";
import { STATE_WORDS } from "./words.js";
/** @import { Day, DayPart } from "./types" */

/** @type {Record<string, string>} */
const TITLES = {
  option_chain: "Chain",
  option_selection: "Selection of contracts",
  option_bars: "Bars",
  option_panel: "Panel with implied volatility",
};

/** The datasets of a session, each folded to its state and its first word. @param {Day} day */
export function partSections(day) {
  return day.parts.map((part) => partSection(day, part));
}

/** @param {Day} day @param {DayPart} part */
function partSection(day, part) {
  const of_part = { ...day, ...part, missing_minutes_ms: [], short_minutes: [] };
  const changed = element("div", { class: "changed" });
  const revisions = new Revisions(of_part, changed);
  const parts = [...certificateSections(of_part), revisions.section].filter((one) => one !== null);
  for (const one of parts) nameWithin(one, part.dataset);
  const first = part.reasons[0] ?? part.words[0] ?? (part.state === "missing" ? "nothing is held" : "");
  return element("details", { class: "panel part", "data-part": part.dataset, "data-state": part.state },
    element("summary", {},
      element("span", { class: `swatch state-${part.state}`, "aria-hidden": "true" }),
      element("b", {}, TITLES[part.dataset] ?? part.dataset), " ",
      element("span", { class: "count" }, STATE_WORDS[part.state]),
      element("small", {}, first)),
    ...part.reasons.map((line) => element("p", { class: "notice" }, line)), ...parts, changed);
}

/** Ids of sections are one dataset's; here there are several. @param {HTMLElement} part @param {string} dataset */
function nameWithin(part, dataset) {
  const named = [part, ...part.querySelectorAll("[id]")];
  for (const one of named) if (one.id) one.id = `${dataset}-${one.id}`;
  const label = part.getAttribute("aria-labelledby");
  if (label) part.setAttribute("aria-labelledby", `${dataset}-${label}`);
  for (const input of part.querySelectorAll("input")) input.name = `${dataset}-${input.name}`;
}
