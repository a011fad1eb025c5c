import { ApiError, getContract } from "./api.js";
import { barAt, summaryOf } from "./bar_words.js";
import { daysWords, fullDate } from "./chain_words.js";
import { button, element } from "./element.js";
import { clockWords, widthWords } from "./words.js";
/** @import { ContractChart } from "./contract_chart.js" */
/** @import { ContractOfDay } from "./option_types" */
/** @import { Day, Span } from "./types" */

const ASK_AFTER_MS = 140;
const MOST_CANDLES = 1500;

/** One contract of the day beside the map: its facts, its bars beside the underlying's, its implied volatility. */
export class ContractView {
  /** @type {ContractChart | null} */
  #chart = null;
  /** @type {AbortController | null} */
  #asking = null;
  /** @type {number | undefined} */
  #timer;
  /** The contract that is shown, or asked for. @type {string | null} */
  name = null;

  /** @param {HTMLElement} host @param {Day} day @param {() => void} closed */
  constructor(host, day, closed) {
    this.host = host;
    this.day = day;
    this.closed = closed;
    this.title = element("h3", { id: "contract-title", tabindex: -1 });
    this.facts = element("div", { class: "contract-facts" });
    this.readout = element("p", { class: "readout", "aria-hidden": "true" });
    this.message = element("p", { class: "chart-message", role: "status" });
    this.plot = element("div", { class: "panes", role: "img", id: "contract-chart" });
    host.append(element("header", {}, this.title, button("Close", closed, { class: "small", id: "contract-close" })),
      this.facts, this.message, this.readout, this.plot);
  }

  /** @param {string} name */
  async show(name) {
    this.#clear();
    this.name = name;
    this.host.hidden = false;
    this.title.textContent = name;
    const view = await this.#ask(name, {});
    if (!view) return;
    this.#describe(view);
    if (!view.bars && !view.underlying_bars) return;
    const { ContractChart } = await import("./contract_chart.js");
    if (this.name !== name || !this.plot.isConnected) return;
    this.#chart = new ContractChart(this.plot, this.day, view, {
      moved: (span) => this.#askSoon(name, span),
      pointed: (time_ms) => this.#read(time_ms),
    });
    this.#read(null);
    this.host.dataset.drawn = name;
    if (this.host.getBoundingClientRect().top > innerHeight - 120) this.host.scrollIntoView({ block: "start" });
  }

  /** In the place of a contract that the session's chain does not have. @param {string} name */
  showAbsent(name) {
    this.#clear();
    this.name = name;
    this.host.hidden = false;
    this.title.textContent = name;
    this.#say("It is not in the chain of this session: it has expired, was not listed yet, or is none.");
  }

  hide() {
    this.#clear();
    this.name = null;
    this.host.hidden = true;
  }

  redraw() {
    this.#chart?.redraw();
  }

  destroy() {
    this.#clear();
  }

  #clear() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#chart?.destroy();
    this.#chart = null;
    delete this.host.dataset.drawn;
    this.message.hidden = true;
    this.readout.replaceChildren();
    this.facts.replaceChildren();
  }

  /** @param {string} name @param {Span} span */
  #askSoon(name, span) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      void this.#ask(name, span).then((view) => {
        if (!view || !this.#chart) return;
        this.#chart.draw(view);
        this.#read(null);
      });
    }, ASK_AFTER_MS);
  }

  /**
   * @param {string} name
   * @param {Partial<Span>} span
   * @returns {Promise<ContractOfDay | null>} null: refused, or nobody waits for it any more
   */
  async #ask(name, span) {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    const most = Math.min(MOST_CANDLES, Math.max(150, Math.floor(this.host.clientWidth)));
    try {
      const view = await getContract(this.day, name, { ...span, most }, asking.signal);
      return asking.signal.aborted ? null : view;
    } catch (error) {
      if (asking.signal.aborted) return null;
      if (!(error instanceof ApiError)) throw error;
      this.#say(error.message);
      return null;
    }
  }

  /** @param {string} text */
  #say(text) {
    this.message.textContent = text;
    this.message.hidden = false;
  }

  /** @param {ContractOfDay} view */
  #describe(view) {
    this.title.textContent = `${view.underlying} ${view.strike} ${view.type}`;
    const absent = [view.bars ? "" : view.bars_absent, view.underlying_absent, view.volatility_absent];
    const said = new Set(view.words);
    this.facts.replaceChildren(
      element("p", {}, `Expires ${fullDate(view.expiration)}, ${daysWords(view.days)}. `, element("code", {}, view.contract)),
      ...[...view.words, ...absent.filter((line) => line && !said.has(line))].map((line) => element("p", { class: "quiet" }, line)));
    this.plot.setAttribute("aria-label", chartWords(view));
  }

  /** @param {number | null} time_ms under the pointer; null: nowhere */
  #read(time_ms) {
    const view = this.#chart?.view;
    if (!view) return;
    const width_ms = ((view.bars ?? view.underlying_bars)?.width_s ?? 60) * 1000;
    if (time_ms === null) {
      this.readout.replaceChildren(element("b", {}, `${widthWords(width_ms / 1000)} candles`),
        element("span", {}, "Drag to zoom, double click for the whole session. New York time."));
      return;
    }
    const start_ms = Math.floor(time_ms / width_ms) * width_ms;
    const values = Object.entries(valuesAt(view, start_ms));
    this.readout.replaceChildren(element("b", {}, clockWords(start_ms)), ...values.map(([name, text]) =>
      element("span", {}, element("i", {}, name), ` ${text}`)));
  }
}

/**
 * What traded in the candle that begins then.
 *
 * @param {ContractOfDay} view
 * @param {number} start_ms
 * @returns {Record<string, string>}
 */
function valuesAt({ bars, underlying_bars, volatility, underlying }, start_ms) {
  const own = bars?.times_ms.indexOf(start_ms) ?? -1;
  const other = underlying_bars?.times_ms.indexOf(start_ms) ?? -1;
  const iv = volatility?.iv[volatility.times_ms.indexOf(start_ms)] ?? null;
  return {
    ...(bars && own >= 0 ? barAt(bars, own) : { "no bar": "" }),
    ...(underlying_bars && other >= 0 ? { [underlying]: barAt(underlying_bars, other).C } : {}),
    ...(iv === null ? {} : { iv: `${(iv * 100).toFixed(1)} %` }),
  };
}

/** The panes for who cannot see them. @param {ContractOfDay} view */
function chartWords(view) {
  const own = view.bars ? summaryOf(view.bars) : "no bars";
  const other = view.underlying_bars ? `; ${view.underlying}: ${summaryOf(view.underlying_bars)}` : "";
  const ivs = (view.volatility?.iv ?? []).filter((iv) => iv !== null).map((iv) => Number(iv));
  const words = ivs.length
    ? `; implied volatility ${(Math.min(...ivs) * 100).toFixed(1)} to ${(Math.max(...ivs) * 100).toFixed(1)} %` : "";
  return `${view.contract}: ${own}${other}${words}`;
}
