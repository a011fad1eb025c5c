import { Attention } from "./attention.js";
import { Calendar } from "./calendar.js";
import { fillMeasureChooser, fillSubjectChooser } from "./chooser.js";
import { byId } from "./element.js";
import { Keyboard, KEYBOARD_HELP } from "./keyboard.js";
import { drawLegend } from "./legend.js";
import { drawSummary } from "./summary.js";
import { followTheme } from "./theme.js";
import { Tooltip } from "./tooltip.js";
/** @import { Coverage } from "./types" */

// The calendar of every coverage in the file, without a server: nothing is fetched and no day can be opened; a link of
// the list goes to the day's cell.

/** @type {Coverage[]} */
const coverages = JSON.parse(byId("coverage").textContent ?? "[]");
const calendar = new Calendar(byId("calendar"));
const attention = new Attention(byId("attention"), { address: (date) => `#${date}`, fetch: null });
const datasetChooser = /** @type {HTMLSelectElement} */ (byId("dataset"));
const tickerChooser = /** @type {HTMLSelectElement} */ (byId("ticker"));

/** @param {Coverage | undefined} coverage */
function showCoverage(coverage) {
  if (!coverage) return;
  fillSubjectChooser(datasetChooser, tickerChooser, coverages, coverage);
  calendar.show(coverage);
  drawSummary(byId("summary"), coverage);
  drawLegend(byId("legend"), calendar.days, calendar.scale);
  attention.show(coverage);
  byId("what-first").textContent = coverage.what_first;
  byId("what-first").hidden = coverage.what_first === null;
}

/** The coverage of the chosen dataset, of the chosen ticker if the dataset has it. */
function chosenCoverage() {
  const of_dataset = coverages.filter((coverage) => coverage.dataset === datasetChooser.value);
  return of_dataset.find((coverage) => coverage.ticker === tickerChooser.value) ?? of_dataset[0];
}

followTheme();
new Tooltip(calendar);
new Keyboard(calendar, null, () => {});
byId("help").textContent = KEYBOARD_HELP;
for (const chooser of [datasetChooser, tickerChooser]) {
  chooser.addEventListener("change", () => showCoverage(chosenCoverage()));
}
fillMeasureChooser(/** @type {HTMLSelectElement} */ (byId("by")), null, (by) => {
  calendar.colourBy(by);
  drawLegend(byId("legend"), calendar.days, calendar.scale);
});
window.addEventListener("hashchange", () => calendar.makeCurrent(calendar.indexOf(location.hash.slice(1))));
showCoverage(coverages[0]);
