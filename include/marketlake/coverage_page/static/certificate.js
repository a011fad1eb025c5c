import { airflowLink } from "./airflow.js";
import { element } from "./element.js";
import { bytesWords, countWords, momentWords } from "./words.js";
/** @import { Check, Day } from "./types" */

/**
 * What is known about a day, in words: certificate, checks, comparisons, pages and task instance.
 *
 * @param {Day} day
 * @returns {HTMLElement[]} a section each, without those that have nothing to say
 */
export function certificateSections(day) {
  return [
    section("certificate", "Certificate", day.words.map((line) => element("p", {}, line))),
    section("checks", "Checks", day.checks.length ? checkParts(day.checks) : []),
    section("compared", "Compared with", day.compared.map(comparison)),
    section("pages", "Pages", day.pages.length ? [pageTable(day)] : []),
    section("task", "Task instance", taskParts(day)),
  ].filter((part) => part !== null);
}

/** @param {string} name @param {string} title @param {HTMLElement[]} parts */
export function section(name, title, parts) {
  if (parts.length === 0) return null;
  return element("section", { class: "panel", id: `day-${name}`, "aria-labelledby": `day-${name}-title` },
    element("h3", { id: `day-${name}-title` }, title), ...parts);
}

/** Failed checks stand first; those that passed are folded. @param {Check[]} checks */
function checkParts(checks) {
  const failed = checks.filter((check) => !check.ok);
  const passed = checks.filter((check) => check.ok);
  const parts = [];
  if (failed.length) parts.push(checkList(failed));
  if (passed.length) {
    const all = failed.length === 0;
    parts.push(element("details", {},
      element("summary", {}, all ? `All ${countWords(passed.length)} checks passed` : `${countWords(passed.length)} passed`),
      checkList(passed)));
  }
  return parts;
}

/** @param {Check[]} checks */
function checkList(checks) {
  return element("ul", { class: "verdicts" }, ...checks.map((check) => {
    const weight = check.ok ? "" : check.blocking ? " (blocks publishing)" : " (makes the session suspect)";
    return element("li", { class: check.ok ? "passed" : "failed", "data-check": check.name },
      verdictMark(check.ok), element("span", {}, check.says,
        element("small", {}, `${check.name}${weight}${check.detail ? `: ${check.detail}` : ""}`)));
  }));
}

/** @param {boolean} ok */
function verdictMark(ok) {
  return element("span", { class: "verdict", role: "img", "aria-label": ok ? "passed" : "failed" }, ok ? "✓" : "✕");
}

/** @param {Day["compared"][number]} compared */
function comparison(compared) {
  return element("ul", { class: "verdicts" }, element("li", { class: compared.ok ? "passed" : "failed" },
    verdictMark(compared.ok),
    element("span", {}, element("b", {}, compared.with), ...compared.says.map((line) => element("small", {}, line)))));
}

/** @param {Day} day */
function pageTable({ pages }) {
  const rows = pages.map((page) => element("tr", {},
    element("th", { scope: "row" }, page.listing, page.note ? element("small", {}, page.note) : null),
    element("td", {}, page.revision === null ? "" : countWords(page.revision)),
    element("td", {}, countWords(page.pages)),
    element("td", {}, bytesWords(page.bytes)),
    element("td", {}, page.fetched_at_ms === null ? "" : momentWords(page.fetched_at_ms))));
  const heads = ["Listing", "Revision", "Pages", "Size", "Fetched"].map((name) => element("th", { scope: "col" }, name));
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}

/** @param {Day} day */
function taskParts({ task }) {
  if (!task) return [];
  const ended = task.ended_at_ms === null ? "" : `, ended ${momentWords(task.ended_at_ms)}`;
  return [element("p", {}, airflowLink(task.path, "Open in Airflow"),
    `: ${task.state ?? "no state yet"}, try ${task.try_number}${ended}`)];
}
