import { countWords, longDate, MONTHS } from "./words.js";
/** @import { Contract, ContractKind } from "./option_types" */

/** @type {Record<string, string>} */
export const REASON_WORDS = {
  moneyness: "strike too far from the reference price",
  dte: "expires too soon or too late",
  type: "type not asked for",
  max_contracts: "others are nearer to the reference price",
};
/** @type {Record<string, string>} */
export const EVIDENCE_WORDS = {
  pages: "by pages of bars",
  asked_twice_and_day_bar: "by two answers without a bar and an empty day bar",
  whole_file: "by the whole, verified file of the day",
};

/** @param {number} strike */
export function strikeWords(strike) {
  return String(strike);
}

/** @param {number} days */
export function daysWords(days) {
  return days === 0 ? "expires on the day" : days === 1 ? "1 day" : `${countWords(days)} days`;
}

/** @param {string} date @returns {string} such as "29 Nov 2024" */
export function shortDate(date) {
  return `${Number(date.slice(8))} ${MONTHS[Number(date.slice(5, 7)) - 1]?.slice(0, 3)} ${date.slice(0, 4)}`;
}

/** @param {string} date */
export function fullDate(date) {
  return longDate(date, (new Date(`${date}T00:00:00Z`).getUTCDay() + 6) % 7);
}

/** @param {Contract} contract */
export function contractTitle({ strike, type, column }) {
  return `${column.root} ${strikeWords(strike)} ${type}, ${shortDate(column.expiration)}`;
}

/** What the tooltip says below the title, a line each. @param {Contract} contract */
export function contractLines({ bars, kind, column }) {
  const lines = [daysWords(column.days), stateWords(kind, bars)];
  if (!kind.standard) lines.push("adjusted");
  if (kind.listed_before === false) lines.push("new on the day");
  return lines;
}

/** The contract for screen readers. @param {Contract} contract */
export function contractLabel(contract) {
  return `${contractTitle(contract)}: ${contractLines(contract).join(", ")}`;
}

/** @param {ContractKind} kind @param {number} bars */
function stateWords({ state, reason, evidence }, bars) {
  if (state === "bars") return bars === 1 ? "1 bar" : `${countWords(bars)} bars`;
  if (state === "empty") return `empty, shown ${EVIDENCE_WORDS[evidence ?? ""] ?? evidence ?? "by nothing"}`;
  if (state === "not_selected") return `not selected: ${REASON_WORDS[reason] ?? reason}`;
  return "not known whether it has bars";
}
