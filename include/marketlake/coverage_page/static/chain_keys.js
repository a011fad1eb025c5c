/** @import { Grid } from "./chain.js" */
/** @import { Place } from "./option_types" */

export const CHAIN_HELP =
  "Up and down arrow: the next strike. Left and right: the next expiry. Page up and down: ten strikes. Home and End: the "
  + "first and the last expiry. Enter shows the contract's bars, C and P switch to calls and puts.";

const TEN = 10;

/**
 * Where a key leads in the map: to the next contract in its direction, or nowhere farther at the edge.
 *
 * @param {Grid} grid
 * @param {Place} from
 * @param {string} key
 * @returns {Place | null} null: the key is none of the map's
 */
export function moveBy(grid, from, key) {
  switch (key) {
    case "ArrowUp": return grid.next(from, { rows: -1, columns: 0 }) ?? from;
    case "ArrowDown": return grid.next(from, { rows: 1, columns: 0 }) ?? from;
    case "ArrowLeft": return grid.next(from, { rows: 0, columns: -1 }) ?? from;
    case "ArrowRight": return grid.next(from, { rows: 0, columns: 1 }) ?? from;
    case "PageUp": return farthest(grid, from, -TEN);
    case "PageDown": return farthest(grid, from, TEN);
    case "Home": return grid.next({ row: from.row, column: -1 }, { rows: 0, columns: 1 }) ?? from;
    case "End": return grid.next({ row: from.row, column: grid.columns.length }, { rows: 0, columns: -1 }) ?? from;
    default: return null;
  }
}

/** Some strikes on, or as far as there are any. @param {Grid} grid @param {Place} from @param {number} rows */
function farthest(grid, from, rows) {
  const last = Math.min(Math.max(from.row + rows, 0), grid.strikes.length - 1);
  const beyond = { row: last + Math.sign(rows), column: from.column };
  const back = grid.next(beyond, { rows: -Math.sign(rows), columns: 0 });
  return back && (back.row - from.row) * rows >= 0 ? back : from;
}
