/** @import { Grid } from "./chain.js" */
/** @import { Place } from "./option_types" */

const LEFT = 50;
const TOP = 70;
const RIGHT = 8;
const BOTTOM = 6;
const WIDEST = 56;
const NARROWEST = 9;
const HIGHEST = 15;
const LOWEST = 4;
/** What stands above and below the map in a window. */
const AROUND_THE_MAP = 330;
const LEAST_HEIGHT = 440;
const MOST_HEIGHT = 900;

/** Where things lie on the map, in CSS pixels. */
export class Geometry {
  left = LEFT;
  top = TOP;
  /** The upper edge of each row, and the lower one of the last. @type {number[]} */
  #edges;

  /**
   * @param {Grid} grid
   * @param {{ width: number, height: number }} room the width there is, and the window's height
   */
  constructor(grid, room) {
    this.grid = grid;
    /** Of a column. */
    this.wide = Math.min(WIDEST, Math.max(NARROWEST, (room.width - LEFT - RIGHT) / grid.columns.length));
    const wanted = Math.min(MOST_HEIGHT, Math.max(LEAST_HEIGHT, room.height - AROUND_THE_MAP));
    const units = grid.shares.reduce((sum, share) => sum + share, 0);
    /** Of a row that is not a thin one. */
    this.high = Math.round(Math.min(HIGHEST, Math.max(LOWEST, wanted / units)));
    this.#edges = [TOP];
    for (const share of grid.shares) this.#edges.push(Number(this.#edges.at(-1)) + Math.ceil(share * this.high));
    this.width = LEFT + this.wide * grid.columns.length + RIGHT;
    this.height = Number(this.#edges.at(-1)) + BOTTOM;
  }

  /** @param {Place} place a cell, with the line that parts it from the next */
  boxAt({ row, column }) {
    const y = Number(this.#edges[row]);
    return { x: this.left + column * this.wide, y, wide: this.wide, high: Number(this.#edges[row + 1]) - y };
  }

  /** @param {number} row */
  middleOf(row) {
    return (Number(this.#edges[row]) + Number(this.#edges[row + 1])) / 2;
  }

  /** @param {{ x: number, y: number }} point @returns {Place} of the grid, or outside of it */
  placeAt({ x, y }) {
    const below = this.#edges.findIndex((edge) => edge > y);
    return { row: below < 0 ? this.grid.strikes.length : below - 1, column: Math.floor((x - this.left) / this.wide) };
  }

  /** Where a price lies among the strikes; null beyond them. @param {number} usd */
  heightOf(usd) {
    const { strikes } = this.grid;
    const below = strikes.findIndex((strike) => strike <= usd);
    const lower = Number(strikes[below]);
    if (below >= 0 && lower === usd) return this.middleOf(below);
    if (below <= 0) return null;
    const share = (Number(strikes[below - 1]) - usd) / (Number(strikes[below - 1]) - lower);
    return this.middleOf(below - 1) * (1 - share) + this.middleOf(below) * share;
  }
}
