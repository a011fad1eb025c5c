/** @import uPlot from "./vendor/uplot/uPlot.esm.js" */
/** @import { Bars, Day } from "./types" */

/**
 * The colour that a custom property of the style has now, light or dark.
 *
 * @param {string} name such as "--up"
 */
export function colourNamed(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/**
 * Shades what lies outside of regular hours and hatches stretches without a bar, below the candles.
 *
 * @param {uPlot} plot
 * @param {Day} day
 * @param {Bars | null} bars
 */
export function drawShades(plot, day, bars) {
  const { hours } = day;
  const { ctx } = plot;
  ctx.save();
  clipToPlot(plot);
  ctx.fillStyle = colourNamed("--shade");
  fillSpan(plot, hours.extended_start_ms, hours.regular_start_ms);
  fillSpan(plot, hours.regular_end_ms, hours.extended_end_ms);
  for (const [start_ms, end_ms] of bars?.gaps ?? []) hatchSpan(plot, start_ms, end_ms);
  ctx.restore();
}

/**
 * Marks missing minutes by triangles and short ones by diamonds, at the upper edge.
 *
 * @param {uPlot} plot
 * @param {Day} day
 */
export function drawMinuteMarks(plot, day) {
  const { ctx } = plot;
  ctx.save();
  clipToPlot(plot);
  ctx.fillStyle = colourNamed("--mark-missing");
  for (const start_ms of day.missing_minutes_ms) triangle(plot, start_ms + 30_000);
  ctx.fillStyle = colourNamed("--mark-short");
  for (const { start_ms } of day.short_minutes) diamond(plot, start_ms + 30_000);
  ctx.restore();
}

/** @param {uPlot} plot */
export function clipToPlot({ ctx, bbox }) {
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
}

/** @param {uPlot} plot @param {number} start_ms @param {number} end_ms */
function spanOf(plot, start_ms, end_ms) {
  const { bbox } = plot;
  const left = Math.max(bbox.left, plot.valToPos(start_ms, "x", true));
  const right = Math.min(bbox.left + bbox.width, plot.valToPos(end_ms, "x", true));
  return { left, width: right - left };
}

/** @param {uPlot} plot @param {number} start_ms @param {number} end_ms */
function fillSpan(plot, start_ms, end_ms) {
  const { left, width } = spanOf(plot, start_ms, end_ms);
  if (width > 0) plot.ctx.fillRect(left, plot.bbox.top, width, plot.bbox.height);
}

/** @param {uPlot} plot @param {number} start_ms @param {number} end_ms */
function hatchSpan(plot, start_ms, end_ms) {
  const { ctx, bbox } = plot;
  const { left, width } = spanOf(plot, start_ms, end_ms);
  if (width <= 0) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, Math.max(width, 2), bbox.height);
  ctx.clip();
  ctx.strokeStyle = colourNamed("--gap");
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (let x = left - bbox.height; x < left + width; x += 7 * devicePixelRatio) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** @param {uPlot} plot @param {number} time_ms */
function triangle(plot, time_ms) {
  const size = 5 * devicePixelRatio;
  const x = plot.valToPos(time_ms, "x", true);
  const y = plot.bbox.top + 2 * devicePixelRatio;
  fillPath(plot.ctx, [[x - size, y], [x + size, y], [x, y + 1.6 * size]]);
}

/** @param {uPlot} plot @param {number} time_ms */
function diamond(plot, time_ms) {
  const size = 5 * devicePixelRatio;
  const x = plot.valToPos(time_ms, "x", true);
  const y = plot.bbox.top + 2 * devicePixelRatio + size;
  fillPath(plot.ctx, [[x, y - size], [x + size, y], [x, y + size], [x - size, y]]);
}

/** @param {CanvasRenderingContext2D} ctx @param {[number, number][]} points */
function fillPath(ctx, points) {
  ctx.beginPath();
  points.forEach(([x, y], index) => (index ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.closePath();
  ctx.fill();
}
