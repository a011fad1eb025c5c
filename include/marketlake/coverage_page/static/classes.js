const LEVELS = 7;

/**
 * The classes of some values, at most seven, each with the least and the greatest value that lies in it. Few distinct
 * values have a class each; else the classes hold about equally many values, as a few great ones would otherwise make all
 * others look alike.
 */
export class Classes {
  /** The least value of each class, ascending. @type {number[]} */
  #lower;

  /** @param {number[]} values */
  constructor(values) {
    const ascending = [...values].sort((one, other) => one - other);
    this.#lower = lowerBounds(ascending);
    /** @type {{ low: number, high: number, count: number }[]} */
    this.all = this.#lower.map((low) => ({ low, high: low, count: 0 }));
    for (const value of ascending) {
      const held = this.all[this.#classOf(value)];
      if (!held) continue;
      held.high = Math.max(held.high, value);
      held.count += 1;
    }
  }

  /** @param {number} value @returns {number} its colour, 0 to 6 */
  level(value) {
    return this.colour(this.#classOf(value));
  }

  /** Few classes are spread over the whole range of colours. @param {number} index */
  colour(index) {
    const last = this.all.length - 1;
    return last > 0 ? Math.round((index * (LEVELS - 1)) / last) : LEVELS >> 1;
  }

  /** @param {number} value */
  #classOf(value) {
    let index = this.#lower.length - 1;
    while (index > 0 && value < Number(this.#lower[index])) index -= 1;
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
