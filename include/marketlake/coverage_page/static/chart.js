import uPlot from "./vendor/uplot/uPlot.esm.js";
import { drawCandles, VOLUME_SHARE } from "./candles.js";
import { priceAxis, timeAxis, volumeAxis } from "./chart_axes.js";
import { drawMinuteMarks, drawShades } from "./chart_marks.js";
import { clampSpan, listenToPointer } from "./chart_window.js";
/** @import { Bars, Day, Span } from "./types" */

const HEIGHT = 440;

/** @type {Bars} */
const NO_BARS = {
  width_s: 60, start_ms: 0, end_ms: 0, times_ms: [], open: [], high: [], low: [], close: [], volume: [], vwap: [], gaps: [],
};

/** Candlesticks of one day with volume below, on a true axis of time: what is missing stays visible as a gap. */
export class Chart {
  #bars = NO_BARS;

  /**
   * @param {HTMLElement} host
   * @param {Day} day
   * @param {Span} span shown at first; its bars are still to be drawn
   * @param {{ moved: (span: Span) => void, pointed: (index: number | null) => void }} listener
   */
  constructor(host, day, span, listener) {
    this.host = host;
    this.day = day;
    this.span = span;
    this.listener = listener;
    this.plot = new uPlot(this.#options(), dataOf(NO_BARS), host);
    listenToPointer(this.plot, () => this.span, (wanted) => this.show(wanted));
    this.observer = new ResizeObserver(() => this.plot.setSize({ width: host.clientWidth, height: HEIGHT }));
    this.observer.observe(host);
  }

  /** @returns {Span} all that can be shown */
  get whole() {
    return { start_ms: this.day.hours.extended_start_ms, end_ms: this.day.hours.extended_end_ms };
  }

  get bars() {
    return this.#bars;
  }

  /** @param {Bars} bars */
  draw(bars) {
    this.#bars = bars;
    this.plot.batch(() => {
      this.plot.setData(dataOf(bars), false);
      this.plot.setScale("x", { min: this.span.start_ms, max: this.span.end_ms });
    });
    this.plot.redraw();
  }

  /** Moves to another stretch of time; whoever listens brings its bars. @param {Span} wanted */
  show(wanted) {
    this.span = clampSpan(wanted, this.whole);
    this.plot.setScale("x", { min: this.span.start_ms, max: this.span.end_ms });
    this.listener.moved(this.span);
  }

  /** In the colours of another theme. */
  redraw() {
    this.plot.redraw();
  }

  destroy() {
    this.observer.disconnect();
    this.plot.destroy();
  }

  /** @returns {uPlot.Options} */
  #options() {
    return {
      width: Math.max(this.host.clientWidth, 200),
      height: HEIGHT,
      ms: 1,
      tzDate: (time_ms) => uPlot.tzDate(new Date(time_ms), "America/New_York"),
      legend: { show: false },
      padding: [12, 4, 0, 4],
      scales: {
        x: { time: true, auto: false, min: this.span.start_ms, max: this.span.end_ms },
        price: { range: (_, low, high) => priceRange(low, high, this.#bars) },
        volume: { range: (_, __, high) => [0, (high || 1) / VOLUME_SHARE] },
      },
      series: [{}, ...["price", "price", "price", "price", "volume"].map(invisible)],
      axes: [timeAxis(), priceAxis(), volumeAxis()],
      cursor: {
        drag: { x: true, y: false, setScale: false },
        points: { show: false },
        bind: {
          // Shift and drag moves; only a drag without it selects.
          mousedown: (_, __, handler) => (event) => (event.shiftKey ? null : handler(event)),
          dblclick: () => () => {
            this.show(this.whole);
            return null;
          },
        },
      },
      hooks: {
        drawClear: [(plot) => drawShades(plot, this.day, this.#bars)],
        draw: [(plot) => { drawCandles(plot, this.#bars); drawMinuteMarks(plot, this.day); }],
        setSelect: [(plot) => this.#selected(plot)],
        setCursor: [(plot) => this.listener.pointed(plot.cursor.idx ?? null)],
      },
    };
  }

  /** @param {uPlot} plot */
  #selected(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.show({ start_ms: plot.posToVal(left, "x"), end_ms: plot.posToVal(left + width, "x") });
  }
}

/** The series are for the scales and the cursor; the candles are drawn by hand. @param {string} scale */
export function invisible(scale) {
  return { scale, paths: () => null, points: { show: false } };
}

/** @param {Bars} bars @returns {uPlot.AlignedData} */
export function dataOf({ times_ms, open, high, low, close, volume }) {
  return [times_ms, open, high, low, close, volume];
}

/**
 * Leaves the volume its share below the candles.
 *
 * @param {number | null} low
 * @param {number | null} high
 * @param {Bars} bars
 * @returns {[number, number]}
 */
export function priceRange(low, high, bars) {
  if (low === null || high === null || bars.times_ms.length === 0) return [0, 1];
  const height = Math.max(high - low, 0.02);
  return [low - (height * (VOLUME_SHARE + 0.06)) / (1 - VOLUME_SHARE - 0.06), high + height * 0.08];
}
