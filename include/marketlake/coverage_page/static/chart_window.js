/** @import uPlot from "./vendor/uplot/uPlot.esm.js" */
/** @import { Span } from "./types" */

const LEAST_MS = 20_000;
const WHEEL_STEP = 1.25;

/**
 * This stretch inside the outer one, not shorter than the chart can show.
 *
 * @param {Span} wanted
 * @param {Span} outer
 * @returns {Span}
 */
export function clampSpan(wanted, outer) {
  const whole = outer.end_ms - outer.start_ms;
  const length = Math.min(whole, Math.max(LEAST_MS, wanted.end_ms - wanted.start_ms));
  const start = Math.min(Math.max(wanted.start_ms, outer.start_ms), outer.end_ms - length);
  return { start_ms: Math.round(start), end_ms: Math.round(start + length) };
}

/**
 * @param {Span} span
 * @param {number} factor below 1: closer
 * @param {number} around_ms stays where it is
 * @returns {Span}
 */
export function zoomSpan(span, factor, around_ms) {
  return {
    start_ms: around_ms - (around_ms - span.start_ms) * factor,
    end_ms: around_ms + (span.end_ms - around_ms) * factor,
  };
}

/** @param {Span} span @param {number} by_ms @returns {Span} */
export function moveSpan(span, by_ms) {
  return { start_ms: span.start_ms + by_ms, end_ms: span.end_ms + by_ms };
}

/**
 * The wheel zooms around the pointer; dragging with Shift moves. (Dragging without it zooms by uPlot itself.)
 *
 * @param {uPlot} plot
 * @param {() => Span} current
 * @param {(span: Span) => void} wanted
 */
export function listenToPointer(plot, current, wanted) {
  const { over } = plot;
  over.addEventListener("wheel", (event) => {
    event.preventDefault();
    const around_ms = plot.posToVal(event.clientX - over.getBoundingClientRect().left, "x");
    wanted(zoomSpan(current(), event.deltaY < 0 ? 1 / WHEEL_STEP : WHEEL_STEP, around_ms));
  }, { passive: false });
  over.addEventListener("pointerdown", (event) => {
    if (!event.shiftKey || event.button !== 0) return;
    const from = current();
    const ms_a_pixel = (from.end_ms - from.start_ms) / over.clientWidth;
    const move = (/** @type {PointerEvent} */ moved) =>
      wanted(moveSpan(from, (event.clientX - moved.clientX) * ms_a_pixel));
    over.setPointerCapture(event.pointerId);
    over.addEventListener("pointermove", move);
    over.addEventListener("lostpointercapture", () => over.removeEventListener("pointermove", move), { once: true });
  });
}
