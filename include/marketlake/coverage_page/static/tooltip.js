import { dayLines } from "./days.js";
import { element } from "./element.js";
import { longDate } from "./words.js";
/** @import { Calendar } from "./calendar.js" */
/** @import { CalendarDay } from "./types" */

/** One tooltip for the whole calendar: follows the pointer's or the keyboard's day, Escape hides it. */
export class Tooltip {
  /** @param {Calendar} calendar */
  constructor(calendar) {
    this.calendar = calendar;
    this.box = element("div", { class: "tooltip", role: "tooltip", id: "tooltip", hidden: true });
    const { grid } = calendar;
    grid.after(this.box);
    grid.addEventListener("pointerover", (event) => this.#show(event.target));
    grid.addEventListener("pointerleave", () => this.hide());
    grid.addEventListener("focusin", (event) => {
      if (event.target instanceof Element && event.target.matches(":focus-visible")) this.#show(event.target);
    });
    grid.addEventListener("focusout", () => this.hide());
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") this.hide(); });
    window.addEventListener("scroll", () => this.hide(), { passive: true });
  }

  hide() {
    this.box.hidden = true;
  }

  /** @param {EventTarget | null} target */
  #show(target) {
    const index = this.calendar.indexAt(target);
    const day = this.calendar.days[index];
    const cell = this.calendar.cells[index];
    // Weekends are blank: a tooltip at every one of them would only flicker.
    if (!day || !cell || (!day.session && !day.holiday)) {
      this.hide();
      return;
    }
    this.box.replaceChildren(element("strong", {}, longDate(day.date, day.weekday)),
      ...this.#linesOf(day).map((line) => element("span", {}, line)));
    this.box.hidden = false;
    this.#place(cell.getBoundingClientRect());
  }

  /** @param {CalendarDay} day */
  #linesOf(day) {
    const measure = this.calendar.scale?.measure;
    const value = measure && day.session ? measure.of(day.session) : null;
    const lines = dayLines(day);
    return measure && value !== null ? [...lines, `${measure.title}: ${measure.words(value)}`] : lines;
  }

  /** @param {DOMRect} cell */
  #place(cell) {
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const left = Math.min(Math.max(8, cell.left + cell.width / 2 - width / 2), window.innerWidth - width - 8);
    const above = cell.top - height - 8;
    this.box.style.left = `${left}px`;
    this.box.style.top = `${above >= 8 ? above : cell.bottom + 8}px`;
  }
}
