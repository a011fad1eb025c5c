import { Action } from "./action.js";
import { addressOf, readAddress } from "./address.js";
import { isFramed, outerAddress, outerLink } from "./airflow.js";
import { ApiError, getRunState, getSubjects } from "./api.js";
import { Attention } from "./attention.js";
import { Calendar } from "./calendar.js";
import { fillMeasureChooser, fillSubjectChooser } from "./chooser.js";
import { DayView } from "./day.js";
import { byId } from "./element.js";
import { Feed } from "./feed.js";
import { Keyboard, KEYBOARD_HELP, SELECTION_HELP } from "./keyboard.js";
import { drawLegend } from "./legend.js";
import { Notice } from "./notice.js";
import { Progress } from "./progress.js";
import { drawProgress } from "./progress_line.js";
import { Selection } from "./selection.js";
import { drawSelectionBar } from "./selection_bar.js";
import { resolved, subjectOf } from "./subjects.js";
import { drawSummary } from "./summary.js";
import { followTheme } from "./theme.js";
import { Tooltip } from "./tooltip.js";
/** @import { Address, Coverage, Session, Subject } from "./types" */

const TRY_AGAIN_MS = 5_000;

/** The page: which subject, day and measure are shown (as the address says), and what happens between its parts. */
class Page {
  /** @type {Subject[]} */
  #subjects = [];
  #address = readAddress();
  /** @type {Coverage | null} */
  #coverage = null;
  /** @type {Progress | null} */
  #progress = null;
  /** What the open day was drawn from. */
  #drawnDay = "";

  constructor() {
    this.calendar = new Calendar(byId("calendar"));
    this.tooltip = new Tooltip(this.calendar);
    this.selection = new Selection(this.calendar, () => this.#drawSelection(), (date) => this.#open(date));
    new Keyboard(this.calendar, this.selection, (date) => this.#open(date));
    this.attention = new Attention(byId("attention"), {
      address: (date) => this.#addressOfDay(date),
      fetch: null,
    });
    this.action = new Action(/** @type {HTMLDialogElement} */ (byId("action")), (dag_id, run_id, sessions) => {
      this.#progress = new Progress(dag_id, run_id, sessions);
      this.selection.clear();
      this.#drawProgress();
      this.feed.now();
    });
    this.day = new DayView(byId("day"), {
      address: (date) => this.#addressOfDay(date),
      calendarAddress: () => addressOf({ ...this.#address, date: null }),
      go: (date) => this.#open(date),
      back: () => this.#go({ ...this.#address, date: null }),
      fetch: null,
      chosen: (contract) => {
        this.#address = { ...this.#address, contract };
        history.replaceState(null, "", addressOf(this.#address));
      },
      shown: (day) => { document.title = `${day.ticker} ${day.date} ${day.dataset}, coverage`; },
    });
    this.notice = new Notice(byId("notice"));
    this.feed = new Feed({
      received: (coverage) => this.#received(coverage),
      asked: () => this.#isBusy(),
      failed: (error) => this.#failed(error),
      recovered: () => {
        this.notice.clear();
        if (this.day.failed) this.#show(this.#address);
      },
    });
    this.#listen();
  }

  async start() {
    // An address that names its subject need not wait for the list of subjects.
    const complete = this.#address.dataset !== null && this.#address.ticker !== null;
    if (complete) this.#show(this.#address);
    await this.#loadSubjects();
    if (complete) this.#drawChoosers();
    else this.#show(resolved(readAddress(), this.#subjects));
    const { dag_id } = readAddress(); // of the tab that every DAG of this Airflow has, whatever it does
    if (dag_id && !subjectOf(this.#subjects, dag_id)) this.notice.say(`${dag_id} fetches nothing into this lake, which holds:`);
    history.replaceState(null, "", addressOf(this.#address));
  }

  async #loadSubjects() {
    for (let failed = false; ; failed = true) {
      try {
        this.#subjects = (await getSubjects()).subjects;
        if (failed) this.notice.clear();
        return;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        this.#failed(error);
        await new Promise((resolve) => { setTimeout(resolve, TRY_AGAIN_MS); });
      }
    }
  }

  #listen() {
    byId("help").textContent = `${KEYBOARD_HELP} ${SELECTION_HELP}`;
    window.addEventListener("popstate", () => this.#show(resolved(readAddress(), this.#subjects)));
    followTheme(() => this.day.redraw());
    document.addEventListener("click", (event) => this.#clicked(event));
    byId("dataset").addEventListener("change", (event) => this.#chosen({ dataset: valueOf(event) }));
    byId("ticker").addEventListener("change", (event) => this.#chosen({ ticker: valueOf(event) }));
  }

  /** @param {{ dataset?: string, ticker?: string }} change */
  #chosen(change) {
    const dataset = change.dataset ?? this.#address.dataset;
    const tickers = this.#subjects.filter((subject) => subject.dataset === dataset).map(({ ticker }) => ticker);
    const wanted = change.ticker ?? this.#address.ticker ?? "";
    const ticker = tickers.includes(wanted) ? wanted : (tickers[0] ?? null);
    this.#go({ ...this.#address, dataset, ticker });
  }

  /** Links to days do not load the page anew, unless they are to open elsewhere. @param {MouseEvent} event */
  #clicked(event) {
    const link = event.target instanceof Element ? event.target.closest("a.day-link") : null;
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.#open(String(new URL(link.href).searchParams.get("date")));
  }

  /** @param {string} date */
  #addressOfDay(date) {
    return addressOf({ ...this.#address, date });
  }

  /** @param {string} date */
  #open(date) {
    this.#go({ ...this.#address, date });
  }

  /** @param {Address} address */
  #go(address) {
    history.pushState(null, "", addressOf(address));
    this.#show(address);
  }

  /** @param {Address} address */
  #show(address) {
    const before = this.#address;
    const { dataset, ticker, date, by } = address;
    this.#address = address;
    this.tooltip.hide();
    this.#drawChoosers();
    if (!dataset || !ticker) {
      this.notice.say("There is no dataset in the settings and no data. Set one up as the README says, then reload.");
      return;
    }
    if (!this.#coverage || dataset !== before.dataset || ticker !== before.ticker) {
      this.selection.clear();
      this.#coverage = null;
      this.notice.clear();
      void this.feed.watch(dataset, ticker);
    }
    this.calendar.colourBy(by);
    if (this.#coverage) this.#drawLegend();
    byId("overview").hidden = date !== null || this.#coverage === null;
    if (date) {
      this.#drawnDay = this.#dayNow();
      void this.day.show({ dataset, ticker, date, contract: address.contract });
      return;
    }
    this.day.hide();
    document.title = `${ticker} ${dataset}, coverage`;
    if (before.date) this.calendar.makeCurrent(this.calendar.indexOf(before.date));
  }

  #drawChoosers() {
    const { dataset, ticker, by } = this.#address;
    const subjects = this.#subjects;
    fillSubjectChooser(selectOf("dataset"), selectOf("ticker"), subjects, { dataset: dataset ?? "", ticker: ticker ?? "" });
    byId("by-label").hidden = this.#address.date !== null;
    fillMeasureChooser(selectOf("by"), by, (measure) => this.#go({ ...this.#address, by: measure }));
    byId("outside").replaceChildren(...(isFramed() ? [outerLink(addressOf(this.#address), "Open on its own page")] : []));
  }

  #drawLegend() {
    drawLegend(byId("legend"), this.calendar.days, this.calendar.scale);
  }

  /** @param {Coverage} coverage */
  #received(coverage) {
    const first = this.#coverage === null;
    this.#coverage = coverage;
    const fetch = coverage.action?.may_trigger
      ? (/** @type {Session[]} */ sessions, /** @type {string} */ what) => this.action.propose(coverage, sessions, what)
      : null;
    this.attention.handlers.fetch = fetch;
    this.day.allowFetch(fetch && ((date) => fetch(coverage.sessions.filter((session) => session.date === date), date)));
    this.calendar.show(coverage);
    drawSummary(byId("summary"), coverage);
    this.#drawLegend();
    this.attention.show(coverage);
    byId("what-first").textContent = coverage.what_first;
    byId("what-first").hidden = coverage.what_first === null;
    byId("overview").hidden = this.#address.date !== null;
    this.#drawSelection();
    this.#progress?.follow(coverage);
    this.#drawProgress();
    if (!first && this.#address.date && this.#drawnDay !== this.#dayNow()) this.#show(this.#address);
    this.#drawnDay = this.#dayNow();
  }

  /** The open day as the coverage has it. */
  #dayNow() {
    const { date } = this.#address;
    return JSON.stringify(this.#coverage?.sessions.find((session) => session.date === date) ?? null);
  }

  async #isBusy() {
    const progress = this.#progress;
    if (progress && progress.waiting.size > 0) {
      // Without the run's state, the sessions' own states still tell.
      const state = await getRunState(progress.dag_id, progress.run_id).catch(() => "unknown");
      progress.runIs(state);
      this.#drawProgress();
    }
    return (this.#coverage?.running ?? 0) > 0 || (this.#progress?.waiting.size ?? 0) > 0;
  }

  #drawProgress() {
    if (!this.#progress) return;
    const waiting = this.#progress.waiting;
    this.calendar.cells.forEach((cell) => cell.classList.toggle("waiting", waiting.has(String(cell.dataset.date))));
    drawProgress(byId("progress"), this.#progress, (date) => this.#addressOfDay(date), () => {
      this.#progress = null;
      byId("progress").hidden = true;
    });
  }

  #drawSelection() {
    const { sessions } = this.selection;
    const { fetch } = this.attention.handlers;
    drawSelectionBar(byId("selection"), sessions, fetch && (() => fetch(sessions, "selected sessions")),
      () => this.selection.clear());
  }

  /** @param {ApiError} error */
  #failed(error) {
    if (error.status === 401) {
      this.notice.say("You are no longer logged in. ", outerLink(outerAddress(), "Log in again"));
    } else if (error.status === 0) {
      this.notice.say("The server cannot be reached, trying again.");
    } else {
      if (error.status === 404) byId("overview").hidden = true;
      this.notice.say(error.message);
    }
  }
}

/** @param {string} id */
function selectOf(id) {
  return /** @type {HTMLSelectElement} */ (byId(id));
}

/** @param {Event} event */
function valueOf(event) {
  return event.target instanceof HTMLSelectElement ? event.target.value : "";
}

void new Page().start();
