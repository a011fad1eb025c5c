/** @import { Calendar } from "./calendar.js" */
/** @import { Selection } from "./selection.js" */

export const KEYBOARD_HELP =
  "Up and down arrow: a day back or on. Left and right: a week. Page up and down: a month, with Alt a year. " +
  "Home and End: first and last day of the year, with Ctrl of all.";
export const SELECTION_HELP =
  "Enter opens a day, Space selects it, Shift with arrows or dragging selects several, Escape clears.";

/** Moves through the calendar by keys; weekends are passed over. */
export class Keyboard {
  /**
   * @param {Calendar} calendar
   * @param {Selection | null} selection null: nothing can be selected
   * @param {(date: string) => void} open
   */
  constructor(calendar, selection, open) {
    this.calendar = calendar;
    this.selection = selection;
    this.open = open;
    calendar.grid.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const from = this.calendar.current;
    const day = this.calendar.days[from];
    if (!day) return;
    if (event.key === "Enter") {
      if (day.session) this.open(day.date);
    } else if (event.key === " ") {
      this.selection?.toggle(from);
    } else if (event.key === "Escape") {
      this.selection?.clear();
    } else {
      const to = this.#target(event, from);
      if (to === null) return;
      this.calendar.makeCurrent(to);
      if (event.shiftKey) this.selection?.extend(from, to);
      else this.selection?.endExtension();
    }
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event @param {number} from @returns {number | null} */
  #target(event, from) {
    const { days } = this.calendar;
    const date = String(days[from]?.date);
    switch (event.key) {
      case "ArrowUp": return this.#weekday(from - 1, -1);
      case "ArrowDown": return this.#weekday(from + 1, 1);
      case "ArrowLeft": return this.#weekday(from - 7, -1);
      case "ArrowRight": return this.#weekday(from + 7, 1);
      case "PageUp": return this.#weekday(this.#monthsOn(date, event.altKey ? -12 : -1), -1);
      case "PageDown": return this.#weekday(this.#monthsOn(date, event.altKey ? 12 : 1), 1);
      case "Home": return this.#weekday(event.ctrlKey ? 0 : this.#within(`${date.slice(0, 4)}-01-01`), 1);
      case "End":
        return this.#weekday(event.ctrlKey ? days.length - 1 : this.#within(`${date.slice(0, 4)}-12-31`), -1);
      default: return null;
    }
  }

  /**
   * The same day of another month, or its last day if it is shorter.
   *
   * @param {string} date
   * @param {number} months
   */
  #monthsOn(date, months) {
    const month = Number(date.slice(0, 4)) * 12 + Number(date.slice(5, 7)) - 1 + months;
    const lastDay = new Date(Date.UTC(Math.floor(month / 12), (month % 12) + 1, 0)).getUTCDate();
    const day = Math.min(Number(date.slice(8)), lastDay);
    return this.#within(new Date(Date.UTC(Math.floor(month / 12), month % 12, day)).toISOString().slice(0, 10));
  }

  /** @param {string} date @returns {number} its place, or that of the nearest end of the calendar */
  #within(date) {
    const index = this.calendar.indexOf(date);
    if (index >= 0) return index;
    return date < String(this.calendar.days[0]?.date) ? 0 : this.calendar.days.length - 1;
  }

  /**
   * The weekday at `index` or, in this direction, after it; in the other one at the calendar's end.
   *
   * @param {number} index
   * @param {1 | -1} direction
   */
  #weekday(index, direction) {
    const { days } = this.calendar;
    const last = days.length - 1;
    let found = Math.min(Math.max(index, 0), last);
    let step = direction;
    while (Number(days[found]?.weekday) > 4) {
      if (found + step < 0 || found + step > last) step = step === 1 ? -1 : 1;
      found += step;
    }
    return found;
  }
}
