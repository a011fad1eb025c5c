import { clockWords, countWords, priceWords, widthWords } from "./words.js";
/** @import { Bars } from "./types" */

/** All bars as one. @param {Bars} bars at least one */
export function foldedBar(bars) {
  return {
    O: priceWords(Number(bars.open[0])),
    H: priceWords(bars.high.reduce((high, price) => Math.max(high, price))),
    L: priceWords(bars.low.reduce((low, price) => Math.min(low, price))),
    C: priceWords(Number(bars.close.at(-1))),
    V: countWords(bars.volume.reduce((sum, volume) => sum + volume, 0)),
  };
}

/** @param {Bars} bars @param {number} index */
export function barAt(bars, index) {
  return {
    O: priceWords(Number(bars.open[index])),
    H: priceWords(Number(bars.high[index])),
    L: priceWords(Number(bars.low[index])),
    C: priceWords(Number(bars.close[index])),
    V: countWords(Number(bars.volume[index])),
  };
}

/** A chart for who cannot see it. @param {Bars} bars */
export function summaryOf(bars) {
  const span = `${clockWords(bars.start_ms)} to ${clockWords(bars.end_ms)} New York`;
  if (bars.times_ms.length === 0) return `${span}: no bars`;
  const { O, H, L, C, V } = foldedBar(bars);
  const gaps = bars.gaps.length === 1 ? "1 gap" : `${bars.gaps.length} gaps`;
  return `${span}: open ${O}, high ${H}, low ${L}, close ${C}, volume ${V}; `
    + `${bars.times_ms.length} candles of ${widthWords(bars.width_s)}, ${gaps}`;
}
