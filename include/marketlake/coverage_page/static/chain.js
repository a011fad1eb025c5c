/** @import { Chain, ChainRow, Column, Contract, ContractType, Place } from "./option_types" */

/** Rows and columns around those with a selected contract, so that the selection's edge can be seen. */
const MARGIN = 3;
/** A row with contracts of a sixth of the columns at most is thin. */
const FEW = 6;
const THIN = 0.5;

/** @param {Chain} chain @returns {Contract[]} by root, expiry, type and strike */
export function contractsOf(chain) {
  return chain.rows.flatMap((row) => {
    const column = { root: row.root, expiration: row.expiration, days: row.days };
    return row.strikes.map((strike, index) => {
      const kind = chain.kinds[row.kinds[index] ?? -1];
      if (!kind) throw new Error(`${row.root} ${row.expiration}: a contract is of no kind.`);
      return { name: nameOf(row, strike), type: row.type, strike, column, bars: row.bars[index] ?? 0, kind };
    });
  });
}

/** @param {ChainRow} row @param {number} strike */
function nameOf({ root, expiration, type }, strike) {
  const thousandths = String(Math.round(strike * 1000)).padStart(8, "0");
  return `O:${root}${expiration.slice(2).replaceAll("-", "")}${type === "call" ? "C" : "P"}${thousandths}`;
}

/** @param {Contract} contract */
export function isSelected({ kind }) {
  return kind.state === "bars" || kind.state === "empty";
}

/** Contracts of one type by place: a row a strike, the highest on top; a column an expiry of a root, the first at left. */
export class Grid {
  /** @type {Column[]} */
  columns;
  /** Descending. @type {number[]} */
  strikes;
  /** By row and column. @type {(Contract | undefined)[]} */
  #places;

  /**
   * @param {Contract[]} contracts of every type, so that both types have the same rows and columns
   * @param {ContractType} type
   * @param {boolean} whole false: only what is near to a contract that is selected, if there is one
   */
  constructor(contracts, type, whole) {
    const columns = [...new Map(contracts.map(({ column }) => [columnKey(column), column])).values()];
    columns.sort((one, other) => (columnKey(one) < columnKey(other) ? -1 : 1));
    const strikes = [...new Set(contracts.map(({ strike }) => strike))].sort((one, other) => other - one);
    const selected = whole ? [] : contracts.filter(isSelected);
    const wanted = new Set(selected.map(({ column }) => columnKey(column)));
    const levels = new Set(selected.map(({ strike }) => strike));
    this.columns = selected.length ? around(columns, (column) => wanted.has(columnKey(column))) : columns;
    this.strikes = selected.length ? around(strikes, (strike) => levels.has(strike)) : strikes;
    const columnOf = new Map(this.columns.map((column, index) => [columnKey(column), index]));
    const rowOf = new Map(this.strikes.map((strike, index) => [strike, index]));
    this.#places = new Array(this.columns.length * this.strikes.length).fill(undefined);
    /** @type {Contract[]} */
    this.contracts = [];
    for (const contract of contracts) {
      const column = columnOf.get(columnKey(contract.column));
      const row = rowOf.get(contract.strike);
      if (contract.type !== type || column === undefined || row === undefined) continue;
      this.#places[row * this.columns.length + column] = contract;
      this.contracts.push(contract);
    }
    /** How high each row is: one that few expiries have a strike for, such as 587.5, half of the others. */
    this.shares = this.strikes.map((_, row) => (this.#inRow(row) * FEW > this.columns.length ? 1 : THIN));
    if (!this.shares.includes(1)) this.shares.fill(1);
  }

  /** @param {Place} place @returns {Contract | null} */
  at({ row, column }) {
    if (row < 0 || column < 0 || row >= this.strikes.length || column >= this.columns.length) return null;
    return this.#places[row * this.columns.length + column] ?? null;
  }

  /** @param {Contract} contract @returns {Place | null} */
  placeOf({ strike, column, name }) {
    const row = this.strikes.indexOf(strike);
    const place = { row, column: this.columns.findIndex((one) => columnKey(one) === columnKey(column)) };
    return this.at(place)?.name === name ? place : null;
  }

  /**
   * The next contract in a direction: gaps are passed over.
   *
   * @param {Place} from
   * @param {{ rows: number, columns: number }} step
   * @returns {Place | null} null: there is none
   */
  next(from, { rows, columns }) {
    let place = { row: from.row + rows, column: from.column + columns };
    while (this.#isInside(place)) {
      if (this.at(place)) return place;
      place = { row: place.row + Math.sign(rows), column: place.column + Math.sign(columns) };
    }
    return null;
  }

  /** The contract with bars that is nearest to a price, of the first expiry that has any; else any. @param {number} usd */
  nearest(usd) {
    const distance = (/** @type {Contract} */ one) =>
      [one.bars ? 0 : 1, one.column.days, Math.abs(one.strike - usd)];
    const [first] = [...this.contracts].sort((one, other) => compare(distance(one), distance(other)));
    return first ?? null;
  }

  /** @param {number} row */
  #inRow(row) {
    return this.columns.filter((_, column) => this.at({ row, column })).length;
  }

  /** @param {Place} place */
  #isInside({ row, column }) {
    return row >= 0 && column >= 0 && row < this.strikes.length && column < this.columns.length;
  }
}

/** Columns ascend by it. @param {Column} column */
function columnKey({ expiration, root }) {
  return `${expiration} ${root}`;
}

/**
 * From the first to the last that is wanted, and a few on either side.
 *
 * @template T
 * @param {T[]} all
 * @param {(one: T) => boolean} isWanted
 */
function around(all, isWanted) {
  const first = all.findIndex(isWanted);
  const last = all.length - 1 - [...all].reverse().findIndex(isWanted);
  return all.slice(Math.max(0, first - MARGIN), last + 1 + MARGIN);
}

/** @param {number[]} one @param {number[]} other */
function compare(one, other) {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : Number(one[at]) - Number(other[at]);
}
