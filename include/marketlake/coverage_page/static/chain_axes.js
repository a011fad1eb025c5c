import { colourNamed } from "./chart_marks.js";
import { strikeWords } from "./chain_words.js";
import { MONTHS } from "./words.js";
/** @import { Geometry } from "./chain_geometry.js" */
/** @import { Column } from "./option_types" */

/** Year, month, day and days to expiry above the columns. */
const LINES = [12, 27, 42, 57];
const RULE_HEIGHT = 58;

const FONT = "11px system-ui, sans-serif";
const STEPS = [1, 2, 5, 10, 20, 25, 50, 100, 250];
const BETWEEN_STRIKES = 15;
const BETWEEN_DAYS = 4;

/**
 * The strikes at the left, as many as there is room for, at round figures.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {Geometry} geometry
 * @param {number | null} reference where the reference price stands: no strike is written over it
 */
export function paintStrikes(ctx, geometry, reference) {
  ctx.font = FONT;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.fillStyle = colourNamed("--muted");
  for (const row of labelledRows(geometry)) {
    const y = geometry.middleOf(row);
    if (reference !== null && Math.abs(y - reference) < BETWEEN_STRIKES) continue;
    ctx.fillText(strikeWords(Number(geometry.grid.strikes[row])), geometry.left - 7, y);
  }
}

/** @param {Geometry} geometry @returns {number[]} rows, ascending */
function labelledRows(geometry) {
  const { strikes } = geometry.grid;
  for (const step of STEPS) {
    const rows = strikes.flatMap((strike, row) => (strike % step === 0 ? [row] : []));
    const isRoomy = rows.every((row, index) =>
      index === 0 || geometry.middleOf(row) - geometry.middleOf(Number(rows[index - 1])) >= BETWEEN_STRIKES);
    if (rows.length > 1 && isRoomy) return rows;
  }
  const every = Math.ceil(BETWEEN_STRIKES / geometry.high);
  return strikes.flatMap((_, row) => (row % every === 0 ? [row] : []));
}

/**
 * Above the columns the expiries: year and month where they begin, the day, and below it the days that are left.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {Geometry} geometry
 */
export function paintExpiries(ctx, geometry) {
  const { columns } = geometry.grid;
  ctx.font = FONT;
  ctx.textBaseline = "middle";
  ctx.fillStyle = colourNamed("--text");
  const years = groupsOf(columns, (date) => date.slice(0, 4), (year) => [year, `’${year.slice(2)}`]);
  const months = groupsOf(columns, (date) => date.slice(0, 7), (month) =>
    [String(MONTHS[Number(month.slice(5)) - 1]?.slice(0, 3))]);
  years.slice(1).forEach(({ from }) =>
    ctx.fillRect(Math.round(geometry.left + from * geometry.wide) - 1, 6, 1, RULE_HEIGHT));
  paintGroups(ctx, geometry, years, Number(LINES[0]));
  paintGroups(ctx, geometry, months, Number(LINES[1]));
  ctx.textAlign = "center";
  paintEach(ctx, geometry, columns.map(({ expiration }) => String(Number(expiration.slice(8)))), 2);
  ctx.fillStyle = colourNamed("--muted");
  paintEach(ctx, geometry, columns.map(({ days, root }) => (isOwn(root) ? String(days) : "")), 3);
  ctx.fillStyle = colourNamed("--mark-missing");
  paintEach(ctx, geometry, columns.map(({ root }) => (isOwn(root) ? "" : root)), 3);
  ctx.fillStyle = colourNamed("--muted");
  ctx.textAlign = "right";
  ctx.fillText("days", geometry.left - 7, Number(LINES[3]));
}

/** Whether a root is the underlying's: that of adjusted contracts ends with a digit. @param {string} root */
function isOwn(root) {
  return !/\d$/.test(root);
}

/** @typedef {{ texts: string[], from: number, count: number }} Group neighbours, and what they are called, at length first */

/**
 * @param {Column[]} columns
 * @param {(date: string) => string} keyOf
 * @param {(key: string) => string[]} textsOf
 * @returns {Group[]}
 */
function groupsOf(columns, keyOf, textsOf) {
  /** @type {Group[]} */
  const groups = [];
  let before = "";
  columns.forEach(({ expiration }, from) => {
    const key = keyOf(expiration);
    const last = groups.at(-1);
    if (last && key === before) last.count += 1;
    else groups.push({ texts: textsOf(key), from, count: 1 });
    before = key;
  });
  return groups;
}

/** @param {CanvasRenderingContext2D} ctx @param {Geometry} geometry @param {Group[]} groups @param {number} y */
function paintGroups(ctx, geometry, groups, y) {
  for (const { texts, from, count } of groups) {
    const text = texts.find((one) => ctx.measureText(one).width <= count * geometry.wide - 3);
    if (text === undefined) continue;
    ctx.textAlign = count === 1 ? "center" : "left";
    ctx.fillText(text, geometry.left + from * geometry.wide + (count === 1 ? geometry.wide / 2 : 2), y);
  }
}

/**
 * A text a column, as many as there is room for.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {Geometry} geometry
 * @param {string[]} texts
 * @param {number} line
 */
function paintEach(ctx, geometry, texts, line) {
  let free = -Infinity;
  texts.forEach((text, column) => {
    const middle = geometry.left + (column + 0.5) * geometry.wide;
    const half = ctx.measureText(text).width / 2;
    if (!text || middle - half < free) return;
    ctx.fillText(text, middle, Number(LINES[line]));
    free = middle + half + BETWEEN_DAYS;
  });
}
