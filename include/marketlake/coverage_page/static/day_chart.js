import { ApiError, getBars } from "./api.js";
import { barAt, foldedBar, summaryOf } from "./bar_words.js";
import { button, element } from "./element.js";
import { moveSpan, zoomSpan } from "./chart_window.js";
import { clockWords, countWords, widthWords } from "./words.js";
/** @import { Chart } from "./chart.js" */
/** @import { Bars, Day, Span } from "./types" */

const ASK_AFTER_MS = 140;
const MOST_CANDLES = 1500;

/** The chart of a day with its buttons, its readout and its legend; asks for the bars of what is looked at. */
export class DayChart {
  /** @type {Chart | null} */
  #chart = null;
  /** @type {AbortController | null} */
  #asking = null;
  /** @type {number | undefined} */
  #timer;

  /** @param {HTMLElement} host @param {Day} day */
  constructor(host, day) {
    this.day = day;
    this.plot = element("div", { class: "plot", role: "img", "aria-label": "Candlesticks, being fetched" });
    this.readout = element("p", { class: "readout", "aria-hidden": "true" });
    this.width = element("span", { class: "width", id: "chart-width", role: "status" });
    this.message = element("p", { class: "chart-message", role: "status", hidden: true });
    this.toolbar = this.#toolbar();
    this.legend = this.#legend();
    host.replaceChildren(this.toolbar, this.readout, this.message, this.plot, this.legend);
  }

  /** Without a bar over the whole day, words stand in the place of the chart. */
  async open() {
    if (!this.day.readable) {
      this.#say(this.day.reasons[0] ?? "There are no bars of this session.");
      return;
    }
    const { extended_start_ms: start_ms, extended_end_ms: end_ms } = this.day.hours;
    const bars = await this.#ask({ start_ms, end_ms });
    if (!bars) return;
    if (bars.times_ms.length === 0) {
      this.#say(this.day.reasons[0] ?? "There are no bars of this session.");
      return;
    }
    // uPlot is only fetched when the first day is opened.
    const { Chart } = await import("./chart.js");
    if (!this.plot.isConnected) return;
    this.#chart = new Chart(this.plot, this.day, { start_ms, end_ms }, {
      moved: (span) => this.#askSoon(span),
      pointed: (index) => this.#read(index),
    });
    this.#draw(this.#chart, bars);
  }

  redraw() {
    this.#chart?.redraw();
  }

  destroy() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#chart?.destroy();
    this.#chart = null;
  }

  /** @param {Span} span */
  #askSoon(span) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      void this.#ask(span).then((bars) => { if (bars && this.#chart) this.#draw(this.#chart, bars); });
    }, ASK_AFTER_MS);
  }

  /** @param {Span} span @returns {Promise<Bars | null>} null: refused, or nobody waits for them any more */
  async #ask(span) {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    // As many candles as can be told apart, and never more than the server would be asked for at most.
    const most = Math.min(MOST_CANDLES, Math.max(150, Math.floor(this.plot.clientWidth / 4)));
    try {
      const bars = await getBars(this.day, { ...span, most }, asking.signal);
      return asking.signal.aborted ? null : bars;
    } catch (error) {
      if (asking.signal.aborted) return null;
      if (!(error instanceof ApiError)) throw error;
      this.#say(error.message);
      return null;
    }
  }

  /** @param {Chart} chart @param {Bars} bars */
  #draw(chart, bars) {
    chart.draw(bars);
    this.#describe(bars);
  }

  /** In the place of the chart. @param {string} text */
  #say(text) {
    this.message.textContent = text;
    this.message.hidden = false;
    for (const part of [this.plot, this.toolbar, this.legend, this.readout]) part.hidden = true;
  }

  /** @param {Bars} bars */
  #describe(bars) {
    this.width.textContent = `${widthWords(bars.width_s)} candles`;
    this.plot.dataset.width_s = String(bars.width_s);
    const { ticker, title } = this.day;
    this.plot.setAttribute("aria-label", `${ticker}, ${title}, ${summaryOf(bars)}`);
    this.#read(null);
  }

  /** @param {number | null} index of the candle under the pointer; null: the whole window */
  #read(index) {
    const bars = this.#chart?.bars;
    if (!bars || bars.times_ms.length === 0) {
      this.readout.textContent = "";
      return;
    }
    const at = index === null ? null : bars.times_ms[index];
    const values = at === null || at === undefined ? foldedBar(bars) : barAt(bars, Number(index));
    const time = at === null || at === undefined
      ? `${clockWords(bars.start_ms)} to ${clockWords(bars.end_ms)}` : clockWords(at);
    this.readout.replaceChildren(element("b", {}, time), ...Object.entries(values).map(([name, text]) =>
      element("span", {}, element("i", {}, name), ` ${text}`)));
  }

  #toolbar() {
    const { hours } = this.day;
    const regular = { start_ms: hours.regular_start_ms, end_ms: hours.regular_end_ms };
    const change = (/** @type {(span: Span) => Span} */ next) => () => {
      if (this.#chart) this.#chart.show(next(this.#chart.span));
    };
    const middle = (/** @type {Span} */ span) => (span.start_ms + span.end_ms) / 2;
    const step = (/** @type {Span} */ span) => (span.end_ms - span.start_ms) / 3;
    return element("div", { class: "toolbar", role: "toolbar", "aria-label": "Chart" },
      button("Zoom in", change((span) => zoomSpan(span, 0.5, middle(span))), { class: "small" }),
      button("Zoom out", change((span) => zoomSpan(span, 2, middle(span))), { class: "small" }),
      button("Earlier", change((span) => moveSpan(span, -step(span))), { class: "small" }),
      button("Later", change((span) => moveSpan(span, step(span))), { class: "small" }),
      button("Regular hours", change(() => regular), { class: "small" }),
      button("Whole day", change(() => ({ start_ms: hours.extended_start_ms, end_ms: hours.extended_end_ms })),
        { class: "small" }),
      this.width);
  }

  #legend() {
    const { missing_minutes_ms: missing, short_minutes: short } = this.day;
    const entry = (/** @type {string} */ look, /** @type {string} */ text) =>
      element("li", {}, element("span", { class: `swatch ${look}`, "aria-hidden": "true" }), text);
    return element("ul", { class: "chart-legend", "aria-label": "Marks of the chart" },
      entry("chart-up", "price rose"), entry("chart-down", "price fell"),
      entry("chart-shade", "pre- and after-hours"), entry("chart-gap", "no bars in regular hours"),
      entry("chart-missing", `missing minutes: ${countWords(missing.length)}`),
      entry("chart-short", `short minutes: ${countWords(short.length)}`),
      element("li", { class: "hint" }, "Drag to zoom, wheel to zoom around the pointer, Shift and drag to move, "
        + "double click for the whole day. New York time."));
  }
}
