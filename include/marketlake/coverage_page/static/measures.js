import { Classes } from "./classes.js";
import { bytesWords, compactWords, countWords, shareWords } from "./words.js";
/** @import { CalendarDay, MeasureName, Session } from "./types" */

/**
 * @typedef {object} Measure
 * @property {string} title
 * @property {(session: Session) => number | null} of
 * @property {(value: number) => string} words
 */

/** @type {Record<MeasureName, Measure>} */
export const MEASURES = {
  bars: { title: "Bars", of: (session) => session.rows, words: countWords },
  volume: { title: "Volume", of: (session) => session.volume, words: compactWords },
  reconciled: { title: "Share reconciled", of: (session) => session.reconciled, words: shareWords },
  revision: { title: "Revisions", of: (session) => session.revision, words: countWords },
  bytes: { title: "Bytes", of: (session) => session.bytes, words: bytesWords },
};

/** @param {string | null} name @returns {MeasureName | null} */
export function measureNamed(name) {
  return name !== null && Object.hasOwn(MEASURES, name) ? /** @type {MeasureName} */ (name) : null;
}

/** The classes of a measure over the calendar. */
export class Scale {
  /**
   * @param {MeasureName} name
   * @param {CalendarDay[]} days
   */
  constructor(name, days) {
    this.measure = MEASURES[name];
    const values = days.map((day) => this.#valueOf(day)).filter((value) => value !== null);
    this.classes = new Classes(values);
  }

  /**
   * @param {CalendarDay} day
   * @returns {number | null} the colour of the day, 0 to 6; null without a value
   */
  level(day) {
    const value = this.#valueOf(day);
    return value === null ? null : this.classes.level(value);
  }

  /** @param {CalendarDay} day */
  #valueOf(day) {
    return day.session ? this.measure.of(day.session) : null;
  }
}
