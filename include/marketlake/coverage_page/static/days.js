import { countWords, longDate, STATE_WORDS } from "./words.js";
/** @import { CalendarDay, Coverage } from "./types" */

const DAY_MS = 86_400_000;

/** @param {string} date */
function dayNumber(date) {
  return Date.UTC(Number(date.slice(0, 4)), Number(date.slice(5, 7)) - 1, Number(date.slice(8))) / DAY_MS;
}

/**
 * How many days `date` lies after `first`.
 *
 * @param {string} first
 * @param {string} date
 */
export function daysBetween(first, date) {
  return dayNumber(date) - dayNumber(first);
}

/**
 * Every day from the first to the last, weekends and holidays included, ascending.
 *
 * @param {Coverage} coverage
 * @returns {CalendarDay[]}
 */
export function daysOf(coverage) {
  const sessions = new Map(coverage.sessions.map((session) => [session.date, session]));
  const holidays = new Map(coverage.holidays.map((holiday) => [holiday.date, holiday.name]));
  const first = dayNumber(coverage.first);
  const count = dayNumber(coverage.last) - first + 1;
  return Array.from({ length: count }, (_, offset) => {
    const date = new Date((first + offset) * DAY_MS).toISOString().slice(0, 10);
    const session = sessions.get(date) ?? null;
    return {
      date,
      state: session ? session.state : "closed",
      // 1 January 1970 was a Thursday.
      weekday: (first + offset + 3) % 7,
      session,
      holiday: holidays.get(date) ?? null,
    };
  });
}

/**
 * What the tooltip says below the date, a line each.
 *
 * @param {CalendarDay} day
 * @returns {string[]}
 */
export function dayLines(day) {
  const { session } = day;
  if (!session) return [`closed, ${day.holiday ?? "weekend"}`];
  const lines = [STATE_WORDS[day.state]];
  if (session.early_close) lines.push("early close");
  if (session.rows !== null) lines.push(`${countWords(session.rows)} bars`);
  return [...lines, ...session.reasons];
}

/**
 * The text of a day for screen readers: date, state, bars, reason or holiday.
 *
 * @param {CalendarDay} day
 */
export function dayLabel(day) {
  return `${longDate(day.date, day.weekday)}: ${dayLines(day).join(", ")}`;
}
