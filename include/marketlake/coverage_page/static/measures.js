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

const LEVELS = 7;

/** @param {string | null} name @returns {MeasureName | null} */
export function measureNamed(name) {
  return name !== null && Object.hasOwn(MEASURES, name) ? /** @type {MeasureName} */ (name) : null;
}

/**
 * The classes of a measure over the calendar, at most seven, each with the least and the greatest value that lies in it.
 * Few distinct values have a class each; else the classes hold about equally many days, as a few record days would
 * otherwise make all others look alike.
 */
export class Scale {
  /**
   * @param {MeasureName} name
   * @param {CalendarDay[]} days
   */
  constructor(name, days) {
    this.measure = MEASURES[name];
    const values = days.map((day) => this.#valueOf(day)).filter((value) => value !== null);
    values.sort((one, other) => one - other);
    /** The least value of each class, ascending. */
    this.lower = lowerBounds(values);
    /** @type {{ low: number, high: number, count: number }[]} */
    this.classes = this.lower.map((low) => ({ low, high: low, count: 0 }));
    for (const value of values) {
      const held = this.classes[this.#classOf(value)];
      if (!held) continue;
      held.high = Math.max(held.high, value);
      held.count += 1;
    }
  }

  /**
   * @param {CalendarDay} day
   * @returns {number | null} the colour of the day, 0 to 6; null without a value
   */
  level(day) {
    const value = this.#valueOf(day);
    return value === null ? null : this.colour(this.#classOf(value));
  }

  /** Few classes are spread over the whole range of colours. @param {number} index */
  colour(index) {
    const last = this.classes.length - 1;
    return last > 0 ? Math.round((index * (LEVELS - 1)) / last) : LEVELS >> 1;
  }

  /** @param {CalendarDay} day */
  #valueOf(day) {
    return day.session ? this.measure.of(day.session) : null;
  }

  /** @param {number} value */
  #classOf(value) {
    let index = this.lower.length - 1;
    while (index > 0 && value < Number(this.lower[index])) index -= 1;
    return index;
  }
}

/** @param {number[]} ascending */
function lowerBounds(ascending) {
  const distinct = [...new Set(ascending)];
  if (distinct.length <= LEVELS) return distinct;
  const bounds = Array.from({ length: LEVELS }, (_, index) =>
    Number(ascending[Math.floor((index * ascending.length) / LEVELS)]),
  );
  return [...new Set(bounds)];
}
