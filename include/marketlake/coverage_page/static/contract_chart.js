import { clampSpan } from "./chart_window.js";
import { element } from "./element.js";
import { candlePane, volatilityPane } from "./pane.js";
/** @import uPlot from "./vendor/uplot/uPlot.esm.js" */
/** @import { ContractOfDay } from "./option_types" */
/** @import { Day, Span } from "./types" */

const OWN_HEIGHT = 210;
const UNDERLYING_HEIGHT = 150;
const VOLATILITY_HEIGHT = 116;

let charts = 0;

/** A contract's candles, the underlying's below them, and the implied volatility: panes over one axis of time. */
export class ContractChart {
  /** @type {uPlot[]} */
  #plots = [];

  /**
   * @param {HTMLElement} host
   * @param {Day} day
   * @param {ContractOfDay} view as it is at first
   * @param {{ moved: (span: Span) => void, pointed: (time_ms: number | null) => void }} listener
   */
  constructor(host, day, view, listener) {
    this.host = host;
    this.day = day;
    this.view = view;
    this.whole = { start_ms: view.start_ms, end_ms: view.end_ms };
    this.span = this.whole;
    this.listener = listener;
    charts += 1;
    this.together = `contract-${charts}`;
    this.observer = new ResizeObserver(() => this.#plots.forEach((plot) =>
      plot.setSize({ width: host.clientWidth, height: plot.height })));
    this.draw(view);
    this.observer.observe(host);
  }

  /** @param {ContractOfDay} view of the same contract, and the span that is shown */
  draw(view) {
    this.view = view;
    this.#clear();
    const { bars, underlying_bars, volatility } = view;
    const width_ms = (bars ?? underlying_bars)?.width_s ?? 60;
    const shown = volatility && volatility.iv.some((iv) => iv !== null) ? volatility : null;
    if (bars) this.#pane("USD a share of the underlying, contracts", (host) =>
      candlePane(host, this.#panes(), bars, { height: OWN_HEIGHT, volume: true, isLast: !underlying_bars && !shown }));
    if (underlying_bars) this.#pane(`${view.underlying}, USD`, (host) =>
      candlePane(host, this.#panes(), underlying_bars, { height: UNDERLYING_HEIGHT, volume: false, isLast: !shown }));
    if (shown) this.#pane("Implied volatility, a year", (host) =>
      volatilityPane(host, this.#panes(), shown, { height: VOLATILITY_HEIGHT, width_ms: width_ms * 1000 }));
  }

  /** @param {Span} wanted */
  show(wanted) {
    this.span = clampSpan(wanted, this.whole);
    for (const plot of this.#plots) plot.setScale("x", { min: this.span.start_ms, max: this.span.end_ms });
    this.listener.moved(this.span);
  }

  /** In the colours of another theme. */
  redraw() {
    for (const plot of this.#plots) plot.redraw();
  }

  destroy() {
    this.observer.disconnect();
    this.#clear();
  }

  #clear() {
    for (const plot of this.#plots) plot.destroy();
    this.#plots = [];
    this.host.replaceChildren();
  }

  #panes() {
    return {
      day: this.day, together: this.together, span: () => this.span,
      show: (/** @type {Span} */ span) => this.show(span),
      pointed: (/** @type {number | null} */ time_ms) => this.listener.pointed(time_ms),
    };
  }

  /** @param {string} title @param {(host: HTMLElement) => uPlot} make */
  #pane(title, make) {
    const host = element("div", { class: "pane" }, element("p", { class: "pane-title" }, title));
    this.host.append(host);
    this.#plots.push(make(host));
  }
}
