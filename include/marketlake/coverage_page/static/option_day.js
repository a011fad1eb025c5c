import { ApiError, getChain } from "./api.js";
import { section } from "./certificate.js";
import { contractsOf, Grid, isSelected } from "./chain.js";
import { CHAIN_HELP } from "./chain_keys.js";
import { drawChainLegend } from "./chain_legend.js";
import { ChainMap } from "./chain_map.js";
import { Classes } from "./classes.js";
import { ContractView } from "./contract_view.js";
import { element } from "./element.js";
import { reasonBlock } from "./reasons.js";
import { partSections } from "./option_parts.js";
import { countWords } from "./words.js";
/** @import { Chain, Contract, ContractType } from "./option_types" */
/** @import { Day } from "./types" */

/** A day of options: the chain as a map, a contract beside it, and what is known of the session. */
export class OptionDay {
  /** @type {Chain | null} */
  #chain = null;
  /** @type {Contract[]} */
  #contracts = [];
  /** @type {ContractType} */
  #type = "call";
  #whole = false;

  /**
   * @param {Day} day
   * @param {string | null} contract to be shown at once
   * @param {(contract: string | null) => void} chosen
   */
  constructor(day, contract, chosen) {
    this.day = day;
    this.wanted = contract;
    this.chosen = chosen;
    this.place = element("div", { class: "map", id: "chain" });
    this.map = new ChainMap(this.place, { open: (one) => this.#open(one.name), switchTo: (type) => this.#switchTo(type) });
    this.message = element("p", { class: "chart-message", role: "status", id: "chain-message" }, "The chain is being read.");
    this.counts = element("p", { class: "width", role: "status", id: "chain-counts" });
    this.legend = element("ul", { class: "legend chain-legend", "aria-label": "Legend of the map" });
    this.help = element("p", { class: "quiet", id: "chain-help" }, CHAIN_HELP);
    this.types = choice("Type", "chain-type", [["call", "Calls"], ["put", "Puts"]], (value) => this.#switchTo(value));
    this.views = choice("View", "chain-view", [["near", "Selected"], ["whole", "Whole chain"]], (value) => {
      this.#whole = value === "whole";
      this.#draw();
    });
    this.toolbar = element("div", { class: "toolbar" }, this.types, this.views, this.counts);
    this.contract = new ContractView(element("section", { class: "contract", id: "contract", hidden: true, "aria-label": "Contract" }),
      day, () => this.#close());
    this.hint = element("p", { class: "quiet contract-hint" },
      `Choose a contract in the map to see its bars beside those of ${day.ticker}.`);
    this.element = this.#element();
    this.#hideMap(true);
  }

  async open() {
    const chain = this.day.parts.find(({ dataset }) => dataset === "option_chain");
    if (!chain?.readable) {
      this.message.textContent = chain?.reasons[0] ?? "No chain of this session is held: fetch it first.";
      return;
    }
    try {
      this.#chain = await getChain(this.day);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.message.textContent = error.message;
      return;
    }
    if (!this.element.isConnected) return;
    this.#contracts = contractsOf(this.#chain);
    this.#type = this.wanted?.at(-9) === "P" ? "put" : "call";
    if (!this.#contracts.some(isSelected)) this.views.hidden = true;
    this.#hideMap(false);
    this.#draw();
    this.map.markOpened(this.wanted);
    if (this.wanted) this.#show(this.wanted);
  }

  redraw() {
    this.map.redraw();
    this.contract.redraw();
  }

  destroy() {
    this.map.destroy();
    this.contract.destroy();
  }

  /** Escape closes the contract before it leads back to the calendar. @returns {boolean} whether there was one */
  escaped() {
    if (this.contract.host.hidden) return false;
    this.#close();
    return true;
  }

  #element() {
    const main = element("div", { class: "day-main" }, this.toolbar, this.message, this.place, this.legend, this.help);
    const facts = element("aside", { "aria-label": "What is known about the session" }, ...factParts(this.day));
    const aside = element("div", { class: "day-aside" }, this.hint, this.contract.host, facts);
    return element("div", { class: "day-body of-options" }, main, aside);
  }

  /** @param {boolean} hidden */
  #hideMap(hidden) {
    for (const part of [this.toolbar, this.place, this.legend, this.help, this.hint]) part.hidden = hidden;
    this.message.hidden = !hidden;
  }

  #draw() {
    const chain = this.#chain;
    if (!chain) return;
    const grid = new Grid(this.#contracts, this.#type, this.#whole);
    const classes = new Classes(this.#contracts.filter(({ kind }) => kind.state === "bars").map(({ bars }) => bars));
    this.types.querySelectorAll("input").forEach((input) => { input.checked = input.value === this.#type; });
    this.map.show(grid, classes, chain.reference_usd);
    this.map.markOpened(this.contract.name);
    const of_type = this.#contracts.filter(({ type }) => type === this.#type);
    drawChainLegend(this.legend, of_type, classes, chain);
    const traded = of_type.filter(({ bars }) => bars > 0).length;
    const left_out = chain.more ? `, ${countWords(chain.more)} more are not shown` : "";
    this.counts.textContent = chain.because.replace(/^./, (first) => first.toUpperCase())
      || `${countWords(of_type.length)} ${this.#type}s, ${countWords(traded)} with bars${left_out}`;
  }

  /** @param {string} type */
  #switchTo(type) {
    this.#type = type === "put" ? "put" : "call";
    const had_focus = this.place.contains(document.activeElement);
    this.#draw();
    if (had_focus) this.map.focus();
  }

  /** @param {string} name */
  #open(name) {
    this.map.markOpened(name);
    this.chosen(name);
    this.#show(name);
  }

  /** @param {string} name */
  #show(name) {
    this.hint.hidden = true;
    if (this.#contracts.some((contract) => contract.name === name)) void this.contract.show(name);
    else this.contract.showAbsent(name);
  }

  #close() {
    this.contract.hide();
    this.hint.hidden = false;
    this.map.markOpened(null);
    this.chosen(null);
    this.map.focus();
  }
}

/** @param {Day} day */
function factParts(day) {
  return [
    reasonBlock(day),
    section("certificate", "Selection", day.words.map((line) => element("p", {}, line))),
    ...partSections(day),
  ].filter((part) => part !== null);
}

/**
 * One of a few, all of them visible.
 *
 * @param {string} legend
 * @param {string} name
 * @param {[string, string][]} options
 * @param {(value: string) => void} chosen
 */
function choice(legend, name, options, chosen) {
  const inputs = options.map(([value, text], index) => {
    const input = element("input", { type: "radio", name, value, checked: index === 0 });
    input.addEventListener("change", () => chosen(value));
    return element("label", {}, input, element("span", {}, text));
  });
  return element("fieldset", { class: "choice" }, element("legend", { class: "visually-hidden" }, legend), ...inputs);
}
