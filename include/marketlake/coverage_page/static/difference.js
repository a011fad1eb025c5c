import { element } from "./element.js";
import { clockWords, countWords, priceWords } from "./words.js";
/** @import { Difference, RowValues } from "./types" */

/** @type {Record<string, string>} */
const TITLES = { vwap: "VWAP", transactions: "Trades", iv: "IV" };

/** The columns that any row has, in their order, but the exact volume, which the whole one says. @param {Difference} difference */
function fieldsOf({ rows }) {
  const names = Object.keys(rows[0]?.new ?? rows[0]?.old ?? {});
  return names.filter((name) => name !== "volume_exact").map((name) => ({ name, title: TITLES[name] ?? titleOf(name) }));
}

/** @param {string} name such as `strike_price` */
function titleOf(name) {
  return `${name.slice(0, 1).toUpperCase()}${name.slice(1).replaceAll("_", " ")}`;
}

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
  const fields = fieldsOf(difference);
  const key = rows[0]?.contract ? (rows[0].time_ms === null ? ["Contract"] : ["Contract", "Time"]) : ["Time"];
  const table = element("table", { class: "difference", "aria-label": `Rows that differ, revisions ${old} and ${newer}` },
    element("thead", {},
      element("tr", {},
        ...[...key, "Change"].map((title) => element("th", { scope: "col", rowspan: 2 }, title)),
        ...fields.map(({ title }) => element("th", { scope: "colgroup", colspan: 2 }, title))),
      element("tr", {}, ...fields.flatMap(() => [
        element("th", { scope: "col", class: "old" }, `rev. ${old}`),
        element("th", { scope: "col" }, `rev. ${newer}`),
      ]))),
    element("tbody", {}, ...rows.map((row) => differenceRow(row, fields))));
  parts.push(element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Rows that differ" }, table));
  if (more > 0) parts.push(element("p", { class: "quiet" }, `${countWords(more)} more rows differ.`));
  return parts;
}

/** @param {Difference["rows"][number]} row @param {{ name: string }[]} fields */
function differenceRow(row, fields) {
  const names = [...(row.contract ? [row.contract] : []), ...(row.time_ms === null ? [] : [clockWords(row.time_ms)])];
  return element("tr", { class: row.change },
    ...names.map((name) => element("th", { scope: "row" }, name)),
    element("td", { class: "change" }, row.change),
    ...fields.flatMap(({ name }) => {
      const before = row.old?.[name] ?? null;
      const after = row.new?.[name] ?? null;
      const differs = before !== after;
      return [
        element("td", { class: differs ? "old differs" : "old" }, valueWords(name, before)),
        element("td", { class: differs ? "differs" : null }, valueWords(name, after)),
      ];
    }));
}

const COUNTS = new Set(["volume", "transactions", "bars", "shares_per_contract"]);

/** @param {string} name @param {RowValues[string]} value */
function valueWords(name, value) {
  if (value === null) return "";
  if (typeof value !== "number") return typeof value === "string" ? value : value ? "yes" : "no";
  return COUNTS.has(name) ? countWords(value) : priceWords(value);
}
