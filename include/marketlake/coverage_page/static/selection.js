/** @import { Calendar } from "./calendar.js" */
/** @import { Session } from "./types" */

/**
 * The chosen sessions: by dragging over the calendar (all sessions between the two ends in time), by Ctrl and click, by
 * Shift and click or arrows, by Space. A plain click opens the day instead.
 */
export class Selection {
  /** @type {Set<number>} */
  #chosen = new Set();
  /** @type {number | null} */
  #anchor = null;
  /** What was chosen before the drag or the Shift that is under way, and stays. @type {Set<number>} */
  #kept = new Set();
  /** @type {number | null} */
  #pressed = null;
  #dragged = false;

  /**
   * @param {Calendar} calendar
   * @param {() => void} changed
   * @param {(date: string) => void} open
   */
  constructor(calendar, changed, open) {
    this.calendar = calendar;
    this.changed = changed;
    this.open = open;
    calendar.grid.addEventListener("pointerdown", (event) => this.#down(event));
    calendar.grid.addEventListener("pointerover", (event) => this.#over(event));
    document.addEventListener("pointerup", (event) => this.#up(event));
    document.addEventListener("pointercancel", () => { this.#pressed = null; });
  }

  /** @returns {Session[]} ascending */
  get sessions() {
    return [...this.#chosen]
      .sort((one, other) => one - other)
      .map((index) => this.calendar.days[index]?.session ?? null)
      .filter((session) => session !== null);
  }

  clear() {
    this.#anchor = null;
    this.#kept.clear();
    this.#choose(new Set());
  }

  /** @param {number} index */
  toggle(index) {
    const chosen = new Set(this.#chosen);
    if (!chosen.delete(index)) chosen.add(index);
    this.#anchor = index;
    this.#kept = new Set(chosen);
    this.#choose(chosen);
  }

  /** The next `extend` begins anew and adds to what is chosen now. */
  endExtension() {
    this.#anchor = null;
    this.#kept = new Set(this.#chosen);
  }

  /** @param {number} from where the selection begins if it has not @param {number} to */
  extend(from, to) {
    this.#anchor ??= from;
    const chosen = new Set(this.#kept);
    for (let index = Math.min(this.#anchor, to); index <= Math.max(this.#anchor, to); index += 1) chosen.add(index);
    this.#choose(chosen);
  }

  /** @param {PointerEvent} event */
  #down(event) {
    const index = this.calendar.indexAt(event.target);
    if (index < 0 || event.button !== 0) return;
    // Touch scrolls the page; its tap opens the day.
    if (event.pointerType === "mouse") event.preventDefault();
    if (event.shiftKey) this.#anchor ??= this.calendar.current;
    this.calendar.makeCurrent(index);
    this.#pressed = index;
    this.#dragged = false;
  }

  /** @param {PointerEvent} event */
  #over(event) {
    const index = this.calendar.indexAt(event.target);
    if (this.#pressed === null || index < 0 || event.pointerType !== "mouse") return;
    if (!this.#dragged && index === this.#pressed) return;
    if (!this.#dragged) {
      this.#dragged = true;
      this.#kept = event.ctrlKey || event.metaKey ? new Set(this.#chosen) : new Set();
      this.#anchor = this.#pressed;
    }
    this.extend(this.#pressed, index);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    const pressed = this.#pressed;
    this.#pressed = null;
    if (pressed === null || this.#dragged || this.calendar.indexAt(event.target) !== pressed) return;
    const day = this.calendar.days[pressed];
    if (event.shiftKey) this.extend(pressed, pressed);
    else if (event.ctrlKey || event.metaKey) this.toggle(pressed);
    else if (day?.session) this.open(day.date);
  }

  /** @param {Set<number>} chosen days that are no session are left out */
  #choose(chosen) {
    for (const index of chosen) if (!this.calendar.days[index]?.session) chosen.delete(index);
    for (const index of this.#chosen) {
      if (!chosen.has(index)) this.calendar.cells[index]?.removeAttribute("aria-selected");
    }
    for (const index of chosen) this.calendar.cells[index]?.setAttribute("aria-selected", "true");
    this.#chosen = chosen;
    this.changed();
  }
}
