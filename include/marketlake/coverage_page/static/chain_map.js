import { paintExpiries, paintStrikes } from "./chain_axes.js";
import { Geometry } from "./chain_geometry.js";
import { moveBy } from "./chain_keys.js";
import { paintCells, paintReference } from "./chain_paint.js";
import { contractLabel, contractLines, contractTitle, fullDate, strikeWords } from "./chain_words.js";
import { element } from "./element.js";
import { priceWords } from "./words.js";
/** @import { Grid } from "./chain.js" */
/** @import { Classes } from "./classes.js" */
/** @import { Contract, Place } from "./option_types" */

/**
 * @typedef {object} MapHandlers
 * @property {(contract: Contract) => void} open
 * @property {(type: "call" | "put") => void} switchTo
 */

/**
 * The heat map of a chain: strikes by expiry on a canvas, with a grid for keyboard and screen readers on top, of which
 * only the current cell is an element.
 */
export class ChainMap {
  /** @type {Grid | null} */
  #grid = null;
  /** @type {Classes | null} */
  #classes = null;
  /** @type {number | null} */
  #reference = null;
  /** @type {Geometry | null} */
  #geometry = null;
  /** @type {Place | null} */
  #current = null;
  /** The contract that is shown beside the map. @type {string | null} */
  #opened = null;

  /** @param {HTMLElement} host @param {MapHandlers} handlers */
  constructor(host, handlers) {
    this.host = host;
    this.handlers = handlers;
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.rows = element("div", { role: "grid", class: "map-grid", id: "chain-grid", "aria-describedby": "chain-help" });
    this.hovered = element("div", { class: "map-mark map-hovered", hidden: true });
    this.mark = element("div", { class: "map-mark map-opened", hidden: true });
    this.price = element("div", { class: "map-price", hidden: true });
    this.tooltip = element("div", { class: "tooltip", role: "tooltip", id: "chain-tooltip", hidden: true });
    host.replaceChildren(this.canvas, this.mark, this.hovered, this.price, this.rows, this.tooltip);
    host.addEventListener("pointermove", (event) => this.#pointed(event));
    host.addEventListener("pointerleave", () => this.#point(null));
    host.addEventListener("click", (event) => this.#clicked(event));
    this.rows.addEventListener("keydown", (event) => this.#pressed(event));
    this.rows.addEventListener("focusout", () => { this.tooltip.hidden = true; });
    window.addEventListener("scroll", this.#hide, { passive: true });
    this.observer = new ResizeObserver(() => this.#layOut());
    this.observer.observe(host);
  }

  /** @param {Grid} grid @param {Classes} classes @param {number | null} reference_usd */
  show(grid, classes, reference_usd) {
    const before = this.#currentContract;
    this.#grid = grid;
    this.#classes = classes;
    this.#reference = reference_usd;
    this.rows.setAttribute("aria-rowcount", String(grid.strikes.length + 1));
    this.rows.setAttribute("aria-colcount", String(grid.columns.length + 1));
    this.#point(null);
    this.#layOut();
    const [type] = grid.contracts.map((contract) => contract.type);
    this.rows.setAttribute("aria-label", `Bars of ${type ?? "contract"}s by strike and expiry`);
    const wanted = (before && this.#across(before)) ?? grid.nearest(reference_usd ?? 0);
    this.#makeCurrent(wanted && grid.placeOf(wanted), false);
  }

  /** Marks the contract whose bars are shown. @param {string | null} name */
  markOpened(name) {
    this.#opened = name;
    const contract = this.#grid?.contracts.find((one) => one.name === name);
    const place = contract && this.#grid?.placeOf(contract);
    if (place) this.#makeCurrent(place, this.rows.contains(document.activeElement));
    this.#place(this.mark, place ?? null);
  }

  redraw() {
    this.#paint();
  }

  focus() {
    this.#cell()?.focus();
  }

  destroy() {
    this.observer.disconnect();
    window.removeEventListener("scroll", this.#hide);
  }

  #hide = () => { this.tooltip.hidden = true; };

  get #currentContract() {
    return this.#current && this.#grid ? this.#grid.at(this.#current) : null;
  }

  /** The contract of the grid that is at the same strike and expiry. @param {Contract} contract */
  #across({ strike, column }) {
    return this.#grid?.contracts.find((one) => one.strike === strike && one.column.root === column.root
      && one.column.expiration === column.expiration) ?? null;
  }

  #layOut() {
    const grid = this.#grid;
    const width = this.host.clientWidth;
    if (!grid || width === 0) return;
    this.#geometry = new Geometry(grid, { width, height: innerHeight });
    this.#paint();
    this.#place(this.mark, this.#placeNamed(this.#opened));
    this.#place(this.#cell(), this.#current);
  }

  #paint() {
    const ctx = this.canvas.getContext("2d");
    const geometry = this.#geometry;
    if (!ctx || !geometry || !this.#classes) return;
    this.canvas.width = Math.round(geometry.width * devicePixelRatio);
    this.canvas.height = Math.round(geometry.height * devicePixelRatio);
    this.canvas.style.width = `${geometry.width}px`;
    this.canvas.style.height = `${geometry.height}px`;
    ctx.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    const reference = this.#reference === null ? null : geometry.heightOf(this.#reference);
    paintExpiries(ctx, geometry);
    paintStrikes(ctx, geometry, reference);
    paintCells(ctx, geometry, this.#classes);
    this.price.hidden = reference === null;
    if (reference === null) return;
    paintReference(ctx, geometry, reference);
    this.price.textContent = priceWords(Number(this.#reference));
    this.price.style.top = `${reference}px`;
  }

  #cell() {
    return /** @type {HTMLElement | null} */ (this.rows.querySelector("[role=gridcell]"));
  }

  /** @param {string | null} name */
  #placeNamed(name) {
    const contract = this.#grid?.contracts.find((one) => one.name === name);
    return (contract && this.#grid?.placeOf(contract)) ?? null;
  }

  /** @param {HTMLElement | null} box @param {Place | null} place */
  #place(box, place) {
    if (!box) return;
    box.hidden = place === null;
    if (!place || !this.#geometry) return;
    const { x, y, wide, high } = this.#geometry.boxAt(place);
    box.style.left = `${x}px`;
    box.style.top = `${y}px`;
    box.style.width = `${wide - 1}px`;
    box.style.height = `${high - 1}px`;
  }

  /** A new element each time: a screen reader reads what gets the focus. @param {Place | null} place @param {boolean} focus */
  #makeCurrent(place, focus) {
    this.#current = place;
    const contract = this.#currentContract;
    if (!place || !contract) {
      this.rows.replaceChildren(element("div", { role: "row" }, element("div", { role: "gridcell" })));
      return;
    }
    const cell = element("div", {
      role: "gridcell", class: "map-cell", tabindex: 0, "data-contract": contract.name, "data-state": contract.kind.state,
      "data-bars": contract.bars, "aria-label": contractLabel(contract), "aria-colindex": place.column + 2,
    });
    const column = element("div", { role: "columnheader", class: "map-header", "aria-colindex": place.column + 2 },
      fullDate(contract.column.expiration));
    const row = element("div", { role: "rowheader", class: "map-header", "aria-colindex": 1 }, strikeWords(contract.strike));
    this.rows.replaceChildren(element("div", { role: "row", "aria-rowindex": 1 }, column),
      element("div", { role: "row", "aria-rowindex": place.row + 2 }, row, cell));
    this.#place(cell, place);
    if (focus) cell.focus();
    if (focus) this.#tell(contract, place);
  }

  /** @param {MouseEvent} event @returns {Place | null} */
  #placeAt(event) {
    const { x, y } = this.host.getBoundingClientRect();
    const point = { x: event.clientX - x + this.host.scrollLeft, y: event.clientY - y };
    return this.#geometry?.placeAt(point) ?? null;
  }

  /** @param {PointerEvent} event */
  #pointed(event) {
    if (event.pointerType !== "touch") this.#point(this.#placeAt(event));
  }

  /** @param {Place | null} place */
  #point(place) {
    const contract = place ? this.#grid?.at(place) : null;
    this.host.classList.toggle("over", Boolean(contract));
    this.#place(this.hovered, contract ? place : null);
    if (contract && place) this.#tell(contract, place);
    else this.tooltip.hidden = true;
  }

  /** @param {Contract} contract @param {Place} place */
  #tell(contract, place) {
    if (!this.#geometry) return;
    const box = this.#geometry.boxAt(place);
    const host = this.host.getBoundingClientRect();
    this.tooltip.replaceChildren(element("strong", {}, contractTitle(contract)),
      ...contractLines(contract).map((line) => element("span", {}, line)));
    this.tooltip.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.tooltip;
    const x = host.left - this.host.scrollLeft + box.x + (box.wide - width) / 2;
    const above = host.top + box.y - height - 8;
    this.tooltip.style.left = `${Math.min(Math.max(8, x), window.innerWidth - width - 8)}px`;
    this.tooltip.style.top = `${above >= 8 ? above : host.top + box.y + box.high + 8}px`;
  }

  /** @param {MouseEvent} event one without a pointer, as assistive software makes it, is of the current cell */
  #clicked(event) {
    const place = event.detail === 0 ? this.#current : this.#placeAt(event);
    const contract = place && this.#grid?.at(place);
    if (!contract) return;
    this.#makeCurrent(place, true);
    this.handlers.open(contract);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const contract = this.#currentContract;
    if (!this.#grid || !this.#current || !contract || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") this.handlers.open(contract);
    else if (event.key === "c" || event.key === "p") this.handlers.switchTo(event.key === "c" ? "call" : "put");
    else {
      const to = moveBy(this.#grid, this.#current, event.key);
      if (to === null) return;
      this.#makeCurrent(to, true);
    }
    event.preventDefault();
  }
}
