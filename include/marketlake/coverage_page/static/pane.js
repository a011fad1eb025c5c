import uPlot from "./vendor/uplot/uPlot.esm.js";
import { drawCandles, VOLUME_SHARE } from "./candles.js";
import { dataOf, invisible, priceRange } from "./chart.js";
import { noAxis, priceAxis, shareAxis, timeAxis, volumeAxis } from "./chart_axes.js";
import { colourNamed, drawShades } from "./chart_marks.js";
import { listenToPointer } from "./chart_window.js";
/** @import { Volatility } from "./option_types" */
/** @import { Bars, Day, Span } from "./types" */

/**
 * What the panes of one chart share.
 *
 * @typedef {object} Panes
 * @property {Day} day
 * @property {() => Span} span that is shown
 * @property {(span: Span) => void} show another one
 * @property {(time_ms: number | null) => void} pointed
 * @property {string} together the name by which their cursors move together
 */

/**
 * A pane of candles.
 *
 * @param {HTMLElement} host
 * @param {Panes} panes
 * @param {Bars} bars
 * @param {{ height: number, volume: boolean, isLast: boolean }} look
 */
export function candlePane(host, panes, bars, { height, volume, isLast }) {
  /** @type {uPlot.Scales} */
  const scales = { price: { range: (_, low, high) => (volume ? priceRange(low, high, bars) : plainRange(low, high)) } };
  if (volume) scales.volume = { range: (_, __, high) => [0, (high || 1) / VOLUME_SHARE] };
  const names = ["price", "price", "price", "price", volume ? "volume" : "unused"];
  const left = volume ? volumeAxis() : noAxis();
  return pane(host, panes, dataOf(bars), {
    height, scales, series: [{}, ...names.map(invisible)], axes: [timeAxis(isLast), priceAxis(volume), left],
    below: (plot) => drawShades(plot, panes.day, bars), above: (plot) => drawCandles(plot, bars),
  });
}

/**
 * A pane of implied volatility: a point a bar, joined only with the bar right before it.
 *
 * @param {HTMLElement} host
 * @param {Panes} panes
 * @param {Volatility} volatility
 * @param {{ height: number, width_ms: number }} look `width_ms`: from a bar to the next
 */
export function volatilityPane(host, panes, { times_ms, iv }, { height, width_ms }) {
  /** @type {[number[], (number | null)[]]} */
  const points = [[], []];
  times_ms.forEach((time_ms, index) => {
    const before = times_ms[index - 1];
    if (before !== undefined && time_ms - before > width_ms) add(points, before + width_ms, null);
    add(points, time_ms, iv[index] ?? null);
  });
  const line = { scale: "price", stroke: () => colourNamed("--iv"), width: 1.25, spanGaps: false,
    points: { show: true, size: 3.5, width: 0, fill: () => colourNamed("--iv") } };
  return pane(host, panes, points, {
    height, scales: { price: { range: (_, low, high) => plainRange(low, high) } }, series: [{}, line],
    axes: [timeAxis(true), shareAxis(), noAxis()], below: (plot) => drawShades(plot, panes.day, null), above: () => {},
  });
}

/** @param {[number[], (number | null)[]]} points @param {number} time_ms @param {number | null} value */
function add(points, time_ms, value) {
  points[0].push(time_ms);
  points[1].push(value);
}

/** @param {number | null} low @param {number | null} high @returns {[number, number]} */
function plainRange(low, high) {
  if (low === null || high === null) return [0, 1];
  const edge = Math.max((high - low) * 0.1, high * 0.001, 0.0005);
  return [Math.max(0, low - edge), high + edge];
}

/**
 * @typedef {object} Look
 * @property {number} height
 * @property {uPlot.Scales} scales
 * @property {uPlot.Series[]} series
 * @property {uPlot.Axis[]} axes
 * @property {(plot: uPlot) => void} below drawn before the lines
 * @property {(plot: uPlot) => void} above drawn after them
 */

/**
 * @param {HTMLElement} host
 * @param {Panes} panes
 * @param {uPlot.AlignedData} data
 * @param {Look} look
 */
function pane(host, panes, data, { height, scales, series, axes, below, above }) {
  const { start_ms, end_ms } = panes.span();
  const plot = new uPlot({
    width: Math.max(host.clientWidth, 200), height, ms: 1, series, axes,
    tzDate: (time_ms) => uPlot.tzDate(new Date(time_ms), "America/New_York"),
    legend: { show: false },
    padding: [8, 4, 0, 4],
    scales: { ...scales, x: { time: true, auto: false, min: start_ms, max: end_ms } },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false,
      sync: { key: panes.together, setSeries: false },
      bind: {
        mousedown: (_, __, handler) => (event) => (event.shiftKey ? null : handler(event)),
        dblclick: () => () => {
          panes.show({ start_ms: panes.day.hours.day_start_ms, end_ms: panes.day.hours.day_end_ms });
          return null;
        },
      } },
    hooks: {
      drawClear: [below], draw: [above],
      setSelect: [(one) => selected(one, panes)],
      setCursor: [(one) => {
        const { left } = one.cursor;
        panes.pointed(left === undefined || left < 0 ? null : one.posToVal(left, "x"));
      }],
    },
  }, data, host);
  listenToPointer(plot, panes.span, panes.show);
  return plot;
}

/** @param {uPlot} plot @param {Panes} panes */
function selected(plot, panes) {
  const { left, width } = plot.select;
  if (width < 4) return;
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  panes.show({ start_ms: plot.posToVal(left, "x"), end_ms: plot.posToVal(left + width, "x") });
}
