/** @import { DayState } from "./types" */

// Dates are composed by hand: for 8,700 labels at once Intl.DateTimeFormat would take longer than drawing them.
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
export const MONTHS = [
  "January", "February", "March", "April", "May", "June",
  "July", "August", "September", "October", "November", "December",
];

/** @type {Record<DayState, string>} */
export const STATE_WORDS = {
  complete: "complete",
  suspect: "suspect",
  provisional: "provisional",
  empty: "empty",
  missing: "missing",
  failed: "failed",
  running: "under way",
  closed: "closed",
};

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const price = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 4 });

/** @param {number} value */
export function countWords(value) {
  return whole.format(value);
}

/** @param {number} value */
export function compactWords(value) {
  return value < 10_000 ? whole.format(value) : compact.format(value);
}

/** @param {number} value */
export function priceWords(value) {
  return price.format(value);
}

/** @param {number} count */
export function sessionsWords(count) {
  return count === 1 ? "1 session" : `${whole.format(count)} sessions`;
}

/** @param {number} share 0 to 1 or above */
export function shareWords(share) {
  return `${(share * 100).toFixed(2)} %`;
}

/** @param {number} bytes */
export function bytesWords(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** @param {number} seconds */
export function durationWords(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.ceil(seconds))} s`;
  if (seconds < 90 * 60) return `${Math.ceil(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86400).toFixed(1)} days`;
}

/**
 * @param {string} date YYYY-MM-DD
 * @param {number} weekday Monday 0 to Sunday 6
 * @returns {string} such as "Friday, 28 November 2025"
 */
export function longDate(date, weekday) {
  const month = MONTHS[Number(date.slice(5, 7)) - 1];
  return `${WEEKDAYS[weekday]}, ${Number(date.slice(8))} ${month} ${date.slice(0, 4)}`;
}

const utcMinute = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC",
});

/** @param {number} time_ms */
export function momentWords(time_ms) {
  return `${utcMinute.format(time_ms)} UTC`;
}

const newYorkSecond = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: "America/New_York",
});

/** @param {number} time_ms */
export function clockWords(time_ms) {
  return newYorkSecond.format(time_ms);
}

/** @param {number} seconds a candle's width */
export function widthWords(seconds) {
  return seconds < 60 ? `${seconds} s` : `${seconds / 60} min`;
}
