import { element } from "./element.js";
import { clockWords, countWords, priceWords } from "./words.js";
/** @import { BarValues, Difference } from "./types" */

/** @type {[keyof BarValues, string][]} */
const FIELDS = [
  ["open", "Open"], ["high", "High"], ["low", "Low"], ["close", "Close"],
  ["volume", "Volume"], ["vwap", "VWAP"], ["transactions", "Trades"],
];

/**
 * The rows in which two revisions differ, old and new beside each other.
 *
 * @param {Difference} difference
 * @returns {HTMLElement[]}
 */
export function differenceParts(difference) {
  const { old, new: newer, rows, more, says } = difference;
  const parts = [element("p", {}, `Revision ${old} and revision ${newer}: ${says}`)];
  if (rows.length === 0) return parts;
  const table = element("table", { class: "difference", "aria-label": `Rows that differ, revisions ${old} and ${newer}` },
    element("thead", {},
      element("tr", {},
        element("th", { scope: "col", rowspan: 2 }, "Time"), element("th", { scope: "col", rowspan: 2 }, "Change"),
        ...FIELDS.map(([, title]) => element("th", { scope: "colgroup", colspan: 2 }, title))),
      element("tr", {}, ...FIELDS.flatMap(() => [
        element("th", { scope: "col", class: "old" }, `rev. ${old}`),
        element("th", { scope: "col" }, `rev. ${newer}`),
      ]))),
    element("tbody", {}, ...rows.map(differenceRow)));
  parts.push(element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Rows that differ" }, table));
  if (more > 0) parts.push(element("p", { class: "quiet" }, `${countWords(more)} more rows differ.`));
  return parts;
}

/** @param {Difference["rows"][number]} row */
function differenceRow(row) {
  return element("tr", { class: row.change },
    element("th", { scope: "row" }, clockWords(row.time_ms)),
    element("td", {}, row.change),
    ...FIELDS.flatMap(([field]) => {
      const before = row.old ? row.old[field] : null;
      const after = row.new ? row.new[field] : null;
      const differs = before !== after;
      return [
        element("td", { class: differs ? "old differs" : "old" }, valueWords(field, before)),
        element("td", { class: differs ? "differs" : null }, valueWords(field, after)),
      ];
    }));
}

/** @param {keyof BarValues} field @param {number | null} value */
function valueWords(field, value) {
  if (value === null) return "";
  return field === "volume" || field === "transactions" ? countWords(value) : priceWords(value);
}
