import { airflowLink } from "./airflow.js";
import { button, element } from "./element.js";
import { countWords, sessionsWords } from "./words.js";
/** @import { Progress } from "./progress.js" */

const FAILURES_SHOWN = 10;

/**
 * How far a triggered run is, and what failed in it.
 *
 * @param {HTMLElement} place a live region
 * @param {Progress} progress
 * @param {(date: string) => string} address of a day's link
 * @param {() => void} dismissed
 */
export function drawProgress(place, progress, address, dismissed) {
  const { failures, settled, total } = progress;
  const done = settled.length === total;
  const text = `${countWords(settled.length)} of ${sessionsWords(total)}`;
  const failed = failures.length ? `, ${countWords(failures.length)} failed` : "";
  const run = `dags/${encodeURIComponent(progress.dag_id)}/runs/${encodeURIComponent(progress.run_id)}`;
  const now = `${text}${failed}`;
  // A live region is read out when it changes: it must not change every two seconds for nothing.
  if (!place.hidden && place.dataset.now === now && place.dataset.run === progress.run_id) return;
  place.dataset.now = now;
  place.dataset.run = progress.run_id;
  place.hidden = false;
  place.replaceChildren(
    element("b", {}, now), done ? ", all settled. " : ". ", airflowLink(run, "Run"), " ",
    ...(done ? [button("Dismiss", dismissed, { class: "small" })] : []),
    ...failures.slice(0, FAILURES_SHOWN).map((session) => element("span", { class: "line" },
      element("a", { class: "day-link", href: address(session.date) }, session.date),
      ` failed: ${session.reasons.join("; ") || "no reason given"}`)));
}
