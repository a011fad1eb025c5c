import { VOLUME_SHARE } from "./candles.js";
import { colourNamed } from "./chart_marks.js";
import { compactWords, priceWords } from "./words.js";
/** @import uPlot from "./vendor/uplot/uPlot.esm.js" */

export const PRICE_AXIS_WIDTH = 64;
export const VOLUME_AXIS_WIDTH = 52;

const FONT = "12px system-ui, sans-serif";
const stroke = () => colourNamed("--muted");
const grid = { stroke: () => colourNamed("--line"), width: 1 };

/** New York's time. @param {boolean} isNamed false: the lines alone, of a pane above another one @returns {uPlot.Axis} */
export function timeAxis(isNamed = true) {
  return { stroke, grid, font: FONT, size: isNamed ? 28 : 6, ticks: { show: false }, space: 70,
    values: (_, ticks, __, ___, step_ms) => ticks.map((time_ms) => (isNamed ? tickWords(time_ms, step_ms) : "")) };
}

/** At the right, above the volume if there is any. @param {boolean} hasVolume @returns {uPlot.Axis} */
export function priceAxis(hasVolume = true) {
  return { scale: "price", side: 1, stroke, grid, font: FONT, size: PRICE_AXIS_WIDTH, ticks: { show: false },
    filter: (plot, ticks) => ticks.map((price) => (!hasVolume || isAboveVolume(plot, price) ? price : null)),
    values: (_, ticks) => ticks.map((price) => (price === null ? "" : priceWords(price))) };
}

/** @returns {uPlot.Axis} */
export function volumeAxis() {
  return { scale: "volume", side: 3, stroke, font: FONT, size: VOLUME_AXIS_WIDTH, ticks: { show: false },
    grid: { show: false }, space: 30,
    filter: (plot, ticks) => ticks.map((volume) =>
      (volume <= Number(plot.scales.volume?.max) * VOLUME_SHARE ? volume : null)),
    values: (_, ticks) => ticks.map((volume) => (volume === null ? "" : compactWords(volume))) };
}

/** Room at the left as wide as the volume's figures, so that panes lie below each other. @returns {uPlot.Axis} */
export function noAxis() {
  return { scale: "price", side: 3, stroke, font: FONT, size: VOLUME_AXIS_WIDTH, ticks: { show: false },
    grid: { show: false }, values: (_, ticks) => ticks.map(() => "") };
}

/** At the right. @returns {uPlot.Axis} */
export function shareAxis() {
  return { scale: "price", side: 1, stroke, grid, font: FONT, size: PRICE_AXIS_WIDTH, ticks: { show: false }, space: 26,
    values: (_, ticks) => ticks.map((share) => `${Number((share * 100).toFixed(2))} %`) };
}

/** @param {uPlot} plot @param {number} price */
function isAboveVolume(plot, price) {
  const { min, max } = plot.scales.price ?? {};
  return price >= Number(min) + (Number(max) - Number(min)) * VOLUME_SHARE;
}

const newYorkTick = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "America/New_York",
});
const newYorkFineTick = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: "America/New_York",
});

/** @param {number} time_ms @param {number} step_ms */
function tickWords(time_ms, step_ms) {
  return (step_ms < 60_000 ? newYorkFineTick : newYorkTick).format(time_ms);
}
