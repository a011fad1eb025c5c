import { element } from "./element.js";
import { bytesWords, countWords } from "./words.js";
/** @import { Coverage } from "./types" */

/**
 * The figures above the calendar.
 *
 * @param {HTMLElement} list a `dl`
 * @param {Coverage} coverage
 */
export function drawSummary(list, coverage) {
  const { expected, complete, bars, bytes, first_held, last_held } = coverage.summary;
  list.replaceChildren(
    figure("Sessions complete", countWords(complete), `of ${countWords(expected)}`, meter(complete, expected)),
    figure("Bars", countWords(bars)),
    figure("Size", bytesWords(bytes)),
    figure("First day held", first_held ?? "none"),
    figure("Last day held", last_held ?? "none"),
  );
}

/** @param {string} name @param {string} value @param {string} [rest] @param {HTMLElement} [picture] */
function figure(name, value, rest, picture) {
  return element("div", { class: "figure" },
    element("dt", {}, name),
    element("dd", {}, element("b", {}, value), rest && element("span", {}, ` ${rest}`), picture));
}

/** @param {number} part @param {number} whole */
function meter(part, whole) {
  const fill = element("span", { class: "meter-fill" });
  fill.style.width = `${whole ? (100 * part) / whole : 0}%`;
  return element("span", { class: "meter", "aria-hidden": "true" }, fill);
}
