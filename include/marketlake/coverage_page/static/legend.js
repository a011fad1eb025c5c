import { element } from "./element.js";
import { countWords, STATE_WORDS } from "./words.js";
/** @import { CalendarDay, DayState } from "./types" */
/** @import { Classes } from "./classes.js" */
/** @import { Scale } from "./measures.js" */

/** @type {DayState[]} */
const STATES = ["complete", "suspect", "provisional", "empty", "missing", "failed", "running"];

/**
 * What the colours mean, and how many days have each.
 *
 * @param {HTMLElement} list
 * @param {CalendarDay[]} days
 * @param {Scale | null} scale null: by state
 */
export function drawLegend(list, days, scale) {
  list.replaceChildren(...(scale ? measureEntries(days, scale) : stateEntries(days)), ...marks(days));
}

/** @param {CalendarDay[]} days */
function stateEntries(days) {
  return STATES.map((state) => {
    const count = days.filter((day) => day.state === state).length;
    return entry(`state-${state}`, STATE_WORDS[state], count, state);
  });
}

/** @param {CalendarDay[]} days @param {Scale} scale */
function measureEntries(days, scale) {
  const { words } = scale.measure;
  const without = days.filter((day) => day.session && scale.level(day) === null).length;
  return [...classEntries(scale.classes, words), entry("level-none", "no value", without, "level-none")];
}

/** @param {Classes} classes @param {(value: number) => string} words */
export function classEntries(classes, words) {
  return classes.all.map(({ low, high, count }, index) => {
    const bounds = words(low) === words(high) ? words(low) : `${words(low)} to ${words(high)}`;
    return entry(`level-${classes.colour(index)}`, bounds, count, `level-${index}`);
  });
}

/** @param {CalendarDay[]} days */
function marks(days) {
  const early = days.filter((day) => day.session?.early_close).length;
  const holidays = days.filter((day) => day.holiday).length;
  return [entry("mark-early", "early close", early, "early"), entry("mark-holiday", "holiday", holidays, "holiday")];
}

/** @param {string} look @param {string} text @param {number} count @param {string} name */
export function entry(look, text, count, name) {
  return element("li", { "data-legend": name, class: count === 0 ? "none" : null },
    element("span", { class: `swatch ${look}`, "aria-hidden": "true" }),
    element("span", {}, text),
    " ",
    element("span", { class: "count" }, countWords(count)));
}
