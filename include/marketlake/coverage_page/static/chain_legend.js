import { REASON_WORDS } from "./chain_words.js";
import { element } from "./element.js";
import { classEntries, entry } from "./legend.js";
import { countWords, priceWords } from "./words.js";
/** @import { Classes } from "./classes.js" */
/** @import { Chain, Contract } from "./option_types" */

/**
 * What colours and shapes of the map mean, and of how many contracts of the shown type.
 *
 * @param {HTMLElement} list
 * @param {Contract[]} contracts of one type
 * @param {Classes} classes
 * @param {Chain} chain
 */
export function drawChainLegend(list, contracts, classes, { reference_usd, reference_source }) {
  const count = (/** @type {(contract: Contract) => boolean} */ is) => contracts.filter(is).length;
  const reasons = Object.keys(REASON_WORDS).flatMap((reason) => {
    const found = count(({ kind }) => kind.state === "not_selected" && kind.reason === reason);
    return found ? [entry(`speck speck-${reason}`, `not selected, ${REASON_WORDS[reason]}`, found, `not_selected-${reason}`)] : [];
  });
  const unknown = count(({ kind }) => kind.state === "unknown");
  const adjusted = count(({ kind }) => !kind.standard);
  list.replaceChildren(
    ...(classes.all.length ? [element("li", { class: "scale" }, "bars", ...classEntries(classes, countWords).map(bare))] : []),
    ...(unknown ? [entry("chain-unknown", "not known", unknown, "unknown")] : []),
    ...(unknown ? [] : [entry("state-empty", "empty, with evidence", count(({ kind }) => kind.state === "empty"), "empty")]),
    ...reasons,
    ...(adjusted ? [entry("chain-adjusted", "adjusted", adjusted, "adjusted")] : []),
    ...(reference_usd === null ? [] : [element("li", { title: reference_source },
      element("span", { class: "swatch chain-reference", "aria-hidden": "true" }), `reference ${priceWords(reference_usd)} USD`)]));
}

/** A class of the scale, within one entry of the legend. @param {HTMLElement} item */
function bare(item) {
  item.querySelector(".count")?.remove();
  return element("span", { class: "step", "data-legend": item.dataset.legend }, ...item.childNodes);
}
