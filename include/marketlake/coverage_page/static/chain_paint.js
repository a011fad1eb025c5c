import { colourNamed } from "./chart_marks.js";
/** @import { Geometry } from "./chain_geometry.js" */
/** @import { Contract } from "./option_types" */
/** @import { Classes } from "./classes.js" */

/** From this height on there is room between cells. */
const ROOMY = 6;

/**
 * The cells. Each state has a shape of its own: filled, a dash in a pale field, a speck, a field.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {Geometry} geometry
 * @param {Classes} classes
 */
export function paintCells(ctx, geometry, classes) {
  const { grid } = geometry;
  const paints = looks();
  grid.strikes.forEach((_, row) => {
    grid.columns.forEach((__, column) => {
      const contract = grid.at({ row, column });
      if (!contract) return;
      const box = geometry.boxAt({ row, column });
      const gap = box.high >= ROOMY ? 1 : 0.5;
      paintCell(ctx, contract, { ...box, wide: box.wide - 1, high: box.high - gap }, { paints, classes });
    });
  });
}

/** @typedef {{ x: number, y: number, wide: number, high: number }} Box */
/** @typedef {ReturnType<typeof looks>} Looks */

function looks() {
  return {
    levels: [0, 1, 2, 3, 4, 5, 6].map((level) => colourNamed(`--level-${level}`)),
    field: colourNamed("--line"),
    speck: colourNamed("--speck"),
    edge: colourNamed("--edge"),
    adjusted: colourNamed("--mark-missing"),
    surface: colourNamed("--surface"),
  };
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Contract} contract
 * @param {Box} box
 * @param {{ paints: Looks, classes: Classes }} look
 */
function paintCell(ctx, { kind, bars }, box, { paints, classes }) {
  if (kind.state === "bars") {
    ctx.fillStyle = String(paints.levels[classes.level(bars)]);
    ctx.fillRect(box.x, box.y, box.wide, box.high);
  } else if (kind.state === "not_selected") {
    ctx.fillStyle = paints.speck;
    paintSpeck(ctx, kind.reason, box);
  } else {
    ctx.fillStyle = paints.field;
    ctx.fillRect(box.x, box.y, box.wide, box.high);
    if (kind.state === "empty") paintDash(ctx, box, paints.edge);
  }
  if (!kind.standard) paintCorner(ctx, box, paints);
}

/**
 * A dot; upright of a contract that expires too soon or too late, lying of one that is beyond the most.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {string} reason
 * @param {Box} box
 */
function paintSpeck(ctx, reason, { x, y, wide, high }) {
  const size = Math.max(1, Math.min(2, high / 3));
  const long = Math.min(high * 0.6, 6);
  const [w, h] = reason === "dte" ? [size, long] : reason === "max_contracts" ? [long, size] : [size, size];
  ctx.fillRect(x + (wide - w) / 2, y + (high - h) / 2, w, h);
}

/** @param {CanvasRenderingContext2D} ctx @param {Box} box @param {string} colour */
function paintDash(ctx, { x, y, wide, high }, colour) {
  const thick = Math.max(1, Math.round(high / 6));
  ctx.fillStyle = colour;
  ctx.fillRect(x + wide * 0.3, y + (high - thick) / 2, wide * 0.4, thick);
}

/** @param {CanvasRenderingContext2D} ctx @param {Box} box @param {Looks} paints */
function paintCorner(ctx, { x, y, wide, high }, paints) {
  const size = Math.max(4, Math.min(high, 7));
  ctx.beginPath();
  ctx.moveTo(x + wide, y);
  ctx.lineTo(x + wide - size, y);
  ctx.lineTo(x + wide, y + size);
  ctx.closePath();
  ctx.fillStyle = paints.adjusted;
  ctx.fill();
}

/**
 * The line of the reference price; its figure stands beside the strikes.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {Geometry} geometry
 * @param {number} height
 */
export function paintReference(ctx, geometry, height) {
  const y = Math.round(height) + 0.5;
  ctx.save();
  for (const [colour, width] of /** @type {const} */ ([["--surface", 3], ["--reference", 1.5]])) {
    ctx.strokeStyle = colourNamed(colour);
    ctx.lineWidth = width;
    ctx.setLineDash(width === 3 ? [] : [5, 3]);
    ctx.beginPath();
    ctx.moveTo(geometry.left - 4, y);
    ctx.lineTo(geometry.left + geometry.grid.columns.length * geometry.wide, y);
    ctx.stroke();
  }
  ctx.restore();
}
