import { element } from "./element.js";
import { MEASURES, measureNamed } from "./measures.js";
/** @import { MeasureName } from "./types" */

/**
 * @param {HTMLElement} select
 * @param {{ value: string, text: string }[]} options
 * @param {string} chosen
 */
function fillSelect(select, options, chosen) {
  select.replaceChildren(...options.map(({ value, text }) =>
    element("option", { value, selected: value === chosen }, text)));
}

/**
 * Dataset and ticker. A dataset keeps the chosen ticker if it has it.
 *
 * @param {HTMLSelectElement} datasets
 * @param {HTMLSelectElement} tickers
 * @param {{ dataset: string, ticker: string }[]} subjects
 * @param {{ dataset: string, ticker: string }} chosen
 */
export function fillSubjectChooser(datasets, tickers, subjects, chosen) {
  const names = [...new Set(subjects.map(({ dataset }) => dataset))];
  const of_dataset = subjects.filter(({ dataset }) => dataset === chosen.dataset);
  fillSelect(datasets, names.map((value) => ({ value, text: value })), chosen.dataset);
  fillSelect(tickers, of_dataset.map(({ ticker }) => ({ value: ticker, text: ticker })), chosen.ticker);
  if (!names.includes(chosen.dataset)) datasets.selectedIndex = -1;
  if (!of_dataset.some(({ ticker }) => ticker === chosen.ticker)) tickers.selectedIndex = -1;
}

/**
 * @param {HTMLSelectElement} select
 * @param {MeasureName | null} by
 * @param {(by: MeasureName | null) => void} changed
 */
export function fillMeasureChooser(select, by, changed) {
  const measures = Object.entries(MEASURES).map(([value, { title }]) => ({ value, text: title }));
  fillSelect(select, [{ value: "", text: "State" }, ...measures], by ?? "");
  select.onchange = () => changed(measureNamed(select.value));
}
