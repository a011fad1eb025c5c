import { ApiError, getDay } from "./api.js";
import { certificateSections } from "./certificate.js";
import { DayChart } from "./day_chart.js";
import { button, element } from "./element.js";
import { reasonBlock } from "./reasons.js";
import { Revisions } from "./revisions.js";
import { STATE_WORDS } from "./words.js";
/** @import { OptionDay } from "./option_day.js" */
/** @import { Day, DayAsked } from "./types" */

/** After which a wait is told; most days are there before. */
const SLOW_MS = 300;

/**
 * @typedef {object} DayHandlers
 * @property {(date: string) => string} address of another day's link
 * @property {() => string} calendarAddress
 * @property {(date: string) => void} go to another day
 * @property {() => void} back to the calendar
 * @property {((date: string) => void) | null} fetch the session (again); null: this reader may not
 * @property {(day: Day) => void} shown
 * @property {(contract: string | null) => void} chosen a contract of the day, or none of them any more
 */

/** The view of one day; it replaces the calendar, which stays in the document. */
export class DayView {
  /** @type {Day | null} */
  #day = null;
  /** @type {DayChart | OptionDay | null} */
  #chart = null;
  /** @type {HTMLButtonElement | null} */
  #fetchButton = null;
  /** Counts the days asked for: an answer about an earlier one is stale. */
  #turn = 0;
  /** Words stand in the place of the day, as it could not be had. */
  failed = false;

  /** @param {HTMLElement} host @param {DayHandlers} handlers */
  constructor(host, handlers) {
    this.host = host;
    this.handlers = handlers;
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** @param {DayAsked} which */
  async show(which) {
    this.#turn += 1;
    const turn = this.#turn;
    this.host.hidden = false;
    if (which.dataset === "options") void optionDay(); // while the server reads the day's files
    const slow = setTimeout(() => { if (turn === this.#turn) this.#drawWaiting(which.date); }, SLOW_MS);
    try {
      const day = await getDay(which).finally(() => clearTimeout(slow));
      if (turn === this.#turn) await this.#draw(day, which.contract ?? null, turn);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (turn === this.#turn) this.#drawFailure(which.date, error);
    }
  }

  hide() {
    this.#turn += 1;
    this.#clear();
    this.host.hidden = true;
    this.host.replaceChildren();
  }

  redraw() {
    this.#chart?.redraw();
  }

  /** @param {((date: string) => void) | null} fetch null: this reader may not fetch the session (again) */
  allowFetch(fetch) {
    this.handlers.fetch = fetch;
    this.#offerFetch();
  }

  #offerFetch() {
    if (this.#fetchButton) this.#fetchButton.hidden = this.handlers.fetch === null || this.#day?.state === "running";
  }

  #clear() {
    this.failed = false;
    this.#chart?.destroy();
    this.#chart = null;
    this.#day = null;
  }

  /** @param {Day} day @param {string | null} contract @param {number} turn */
  async #draw(day, contract, turn) {
    const options = day.parts.length ? (await optionDay()).OptionDay : null;
    if (turn !== this.#turn) return;
    const moved = this.#day?.date !== day.date;
    this.#clear();
    this.#day = day;
    const main = options ? new options(day, contract, this.handlers.chosen) : null;
    const [chart, body] = main ? [main, main.element] : this.#stockBody(day);
    this.#chart = chart;
    this.host.replaceChildren(this.#head(day), body);
    if (moved) this.host.querySelector("h2")?.focus({ preventScroll: true });
    this.handlers.shown(day);
    await chart.open();
  }

  /** @param {Day} day @returns {[DayChart, HTMLElement]} */
  #stockBody(day) {
    const chartPlace = element("div", { class: "chart", id: "chart" });
    const changed = element("div", { class: "changed", id: "difference" });
    const revisions = new Revisions(day, changed);
    const aside = element("aside", { class: "day-aside", "aria-label": "What is known about the session" },
      reasonBlock(day), ...insertAfterChecks(certificateSections(day), revisions.section));
    const body = element("div", { class: "day-body" }, element("div", { class: "day-main" }, chartPlace, changed), aside);
    return [new DayChart(chartPlace, day), body];
  }

  /** In the place of another day or of nothing; a day that is looked at again stays. @param {string} date */
  #drawWaiting(date) {
    if (this.#day?.date === date) return;
    this.#clear();
    this.#drawWords(date, element("p", { class: "quiet", role: "status" }, "Its file is being read."));
  }

  /** @param {string} date @param {ApiError} error */
  #drawFailure(date, error) {
    this.#clear();
    this.failed = true;
    this.#drawWords(date, element("p", { class: "notice", role: "alert", id: "day-message" }, error.message));
  }

  /** @param {string} date @param {HTMLElement} words */
  #drawWords(date, words) {
    this.host.replaceChildren(
      element("header", { class: "day-head" }, this.#backLink(), element("h2", { tabindex: -1 }, date)), words);
  }

  /** @param {Day} day */
  #head(day) {
    this.#fetchButton = button("Fetch this session", () => this.handlers.fetch?.(day.date), { class: "small", id: "fetch-day" });
    this.#offerFetch();
    return element("header", { class: "day-head" },
      this.#backLink(),
      element("h2", { id: "day-title", tabindex: -1 }, day.title),
      element("span", { class: "badge", id: "day-state" },
        element("span", { class: `swatch state-${day.state}`, "aria-hidden": "true" }), STATE_WORDS[day.state]),
      day.early_close ? element("span", { class: "quiet" }, "early close") : null,
      this.#fetchButton,
      element("nav", { "aria-label": "Sessions" },
        this.#step("← Previous session", day.previous, "previous"), this.#step("Next session →", day.next, "next")));
  }

  #backLink() {
    const link = element("a", { href: this.handlers.calendarAddress(), id: "back" }, "Calendar");
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.handlers.back();
    });
    return link;
  }

  /** @param {string} text @param {string | null} date @param {string} name */
  #step(text, date, name) {
    if (!date) return element("span", { class: "quiet", id: name }, text);
    return element("a", { class: "day-link", id: name, href: this.handlers.address(date), rel: name === "next" ? "next" : "prev" },
      text);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (this.host.hidden || isMeantElsewhere(event)) return;
    if (event.key === "Escape") this.#escaped();
    else if (event.key === "ArrowLeft" && this.#day?.previous) this.handlers.go(this.#day.previous);
    else if (event.key === "ArrowRight" && this.#day?.next) this.handlers.go(this.#day.next);
    else return;
    event.preventDefault();
  }

  #escaped() {
    const chart = this.#chart;
    if (chart && "escaped" in chart && chart.escaped()) return;
    this.handlers.back();
  }
}

/** What shows a day of options, which is only fetched when the first one is opened. */
function optionDay() {
  return import("./option_day.js");
}

/** Browser shortcuts, and keys for what has a use of its own for them. @param {KeyboardEvent} event */
function isMeantElsewhere(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  return event.target instanceof Element && event.target.closest("input, select, textarea, dialog, .scroll") !== null;
}

/** The revisions stand below what was compared. @param {HTMLElement[]} sections @param {HTMLElement | null} revisions */
function insertAfterChecks(sections, revisions) {
  if (!revisions) return sections;
  const at = sections.findIndex(({ id }) => id === "day-pages" || id === "day-task");
  return at < 0 ? [...sections, revisions] : [...sections.slice(0, at), revisions, ...sections.slice(at)];
}
