import { dayLabel, daysBetween, daysOf } from "./days.js";
import { element } from "./element.js";
import { Scale } from "./measures.js";
import { MONTHS } from "./words.js";
/** @import { CalendarDay, Coverage, MeasureName } from "./types" */

/**
 * The calendar: a row a year (the newest first) of twelve months, in them a column a week, an element a day. Newer
 * coverage of the same days changes the elements in place.
 */
export class Calendar {
  /** @type {CalendarDay[]} */
  days = [];
  /** @type {HTMLElement[]} */
  cells = [];
  /** @type {Scale | null} */
  scale = null;
  /** @type {MeasureName | null} */
  #by = null;
  /** @type {HTMLElement | null} */
  #current = null;

  /** @param {HTMLElement} grid the element with role="grid" */
  constructor(grid) {
    this.grid = grid;
  }

  /** @param {Coverage} coverage */
  show(coverage) {
    const days = daysOf(coverage);
    const same = days[0]?.date === this.days[0]?.date && days.length === this.days.length;
    this.grid.setAttribute("aria-label", `Sessions of ${coverage.title}, ${coverage.first} to ${coverage.last}`);
    if (same) this.#update(days);
    else this.#build(days);
    this.#colour();
  }

  /** @param {MeasureName | null} by null: by state */
  colourBy(by) {
    if (by === this.#by) return;
    this.#by = by;
    this.#colour();
  }

  /** @param {string} date @returns {number} the day's place in `days` and `cells`; -1 outside the calendar */
  indexOf(date) {
    const first = this.days[0];
    if (!first) return -1;
    const index = daysBetween(first.date, date);
    return index >= 0 && index < this.days.length ? index : -1;
  }

  /** @param {EventTarget | null} target @returns {number} the place of the day under an event; -1 for none */
  indexAt(target) {
    const cell = target instanceof Element ? target.closest("[data-date]") : null;
    return cell instanceof HTMLElement && cell.dataset.date ? this.indexOf(cell.dataset.date) : -1;
  }

  /** The one cell that Tab reaches. @returns {number} */
  get current() {
    return this.indexAt(this.#current);
  }

  /** @param {number} index @param {boolean} [focus] */
  makeCurrent(index, focus = true) {
    const cell = this.cells[index];
    if (!cell) return;
    this.#current?.setAttribute("tabindex", "-1");
    cell.setAttribute("tabindex", "0");
    this.#current = cell;
    if (focus) cell.focus();
  }

  /** @param {CalendarDay[]} days */
  #update(days) {
    days.forEach((day, index) => {
      const cell = this.cells[index];
      const before = this.days[index];
      if (cell && before && JSON.stringify(day.session) !== JSON.stringify(before.session)) describe(cell, day);
    });
    this.days = days;
  }

  /** @param {CalendarDay[]} days */
  #build(days) {
    this.days = days;
    /** @type {HTMLElement[]} */
    const years = [];
    const template = element("div", { role: "gridcell", class: "cell", tabindex: "-1" });
    this.#current = null;
    let /** @type {HTMLElement | null} */ month = null;
    this.cells = days.map((day) => {
      if (!years[0] || years[0].dataset.year !== day.date.slice(0, 4)) {
        years.unshift(yearRow(day.date.slice(0, 4)));
        month = null;
      }
      const number = day.date.slice(5, 7);
      if (!month || month.dataset.month !== number) {
        month = element("div", { class: `month month-${Number(number)}`, "data-month": number });
        years[0]?.append(month);
      }
      const cell = /** @type {HTMLElement} */ (template.cloneNode());
      cell.dataset.date = day.date;
      cell.classList.add(`weekday-${day.weekday}`);
      describe(cell, day);
      month.append(cell);
      return cell;
    });
    this.grid.replaceChildren(...(days.length ? [monthNames()] : []), ...years);
    this.makeCurrent(days.map((day) => day.session !== null).lastIndexOf(true), false);
  }

  #colour() {
    this.scale = this.#by ? new Scale(this.#by, this.days) : null;
    if (this.#by) this.grid.dataset.by = this.#by;
    else delete this.grid.dataset.by;
    this.cells.forEach((cell, index) => {
      const day = this.days[index];
      const level = this.scale && day ? this.scale.level(day) : null;
      if (level === null) cell.removeAttribute("data-level");
      else cell.dataset.level = String(level);
    });
  }
}

/** @param {HTMLElement} cell @param {CalendarDay} day */
function describe(cell, day) {
  cell.dataset.state = day.state;
  cell.setAttribute("aria-label", dayLabel(day));
  cell.classList.toggle("early", day.session?.early_close === true);
  cell.classList.toggle("holiday", day.holiday !== null);
}

/** @param {string} year */
function yearRow(year) {
  return element("div", { role: "row", class: "year", "data-year": year },
    element("div", { role: "rowheader", class: "year-name" }, year));
}

/** The months' names stand once, above the newest year, as every month is equally wide. */
function monthNames() {
  const names = MONTHS.map((name) =>
    element("div", { role: "columnheader", class: "month-name", "aria-label": name }, name.slice(0, 3)));
  return element("div", { role: "row", class: "months" },
    element("div", { role: "columnheader", class: "year-name" }, "Year"), ...names);
}
