import { clipToPlot, colourNamed } from "./chart_marks.js";
/** @import uPlot from "./vendor/uplot/uPlot.esm.js" */
/** @import { Bars } from "./types" */

/** The share of the chart's height that volume has, below the candles. */
export const VOLUME_SHARE = 0.22;

/**
 * Draws the candles (hollow if the price rose, filled if it fell: never by colour alone) and, on a scale of that name,
 * the volume below them.
 *
 * @param {uPlot} plot
 * @param {Bars} bars
 */
export function drawCandles(plot, bars) {
  const { ctx } = plot;
  const slot = Math.abs(plot.valToPos(bars.width_s * 1000, "x", true) - plot.valToPos(0, "x", true));
  const line = Math.max(1, Math.round(devicePixelRatio));
  const body = Math.max(line, Math.floor(slot * 0.7));
  ctx.save();
  clipToPlot(plot);
  ctx.lineWidth = line;
  drawOnes(plot, bars, { slot, body, line, rising: true });
  drawOnes(plot, bars, { slot, body, line, rising: false });
  ctx.restore();
}

/**
 * @param {uPlot} plot
 * @param {Bars} bars
 * @param {{ slot: number, body: number, line: number, rising: boolean }} look in device pixels
 */
function drawOnes(plot, bars, { slot, body, line, rising }) {
  const { ctx, bbox } = plot;
  const colour = colourNamed(rising ? "--up" : "--down");
  const wide = body >= 3 * line;
  const floor = bbox.top + bbox.height;
  ctx.strokeStyle = colour;
  const y = (/** @type {number} */ price) => Math.round(plot.valToPos(price, "price", true));
  const wicks = new Path2D();
  const bodies = new Path2D();
  const volumes = new Path2D();
  bars.times_ms.forEach((time_ms, index) => {
    const open = Number(bars.open[index]);
    const close = Number(bars.close[index]);
    if (close >= open !== rising) return;
    const middle = plot.valToPos(time_ms, "x", true) + slot / 2;
    const left = Math.round(middle - body / 2);
    const top = y(Math.max(open, close));
    const bottom = Math.max(y(Math.min(open, close)), top + line);
    const centre = left + body / 2;
    wicks.moveTo(centre, y(Number(bars.high[index])));
    wicks.lineTo(centre, top);
    wicks.moveTo(centre, bottom);
    wicks.lineTo(centre, y(Number(bars.low[index])));
    bodies.rect(left, top, body, bottom - top);
    if (!plot.scales.volume) return;
    const volumeTop = plot.valToPos(Number(bars.volume[index]), "volume", true);
    volumes.rect(left, volumeTop, body, floor - volumeTop);
  });
  ctx.stroke(wicks);
  if (rising && wide) {
    ctx.fillStyle = colourNamed("--surface");
    ctx.fill(bodies);
    ctx.save();
    ctx.clip(bodies);
    ctx.lineWidth = 2 * line;
    ctx.stroke(bodies);
    ctx.restore();
  } else {
    ctx.fillStyle = colour;
    ctx.fill(bodies);
  }
  ctx.fillStyle = colourNamed(rising ? "--up-volume" : "--down-volume");
  ctx.fill(volumes);
}
