import { measureNamed } from "./measures.js";
/** @import { Address } from "./types" */

/** What is empty is left out. @returns {Address} */
export function readAddress() {
  const query = new URLSearchParams(location.search);
  return {
    dataset: query.get("dataset") || null,
    ticker: query.get("ticker") || null,
    dag_id: query.get("dag_id") || null,
    date: query.get("date") || null,
    contract: query.get("contract") || null,
    by: measureNamed(query.get("by")),
  };
}

/**
 * The address that shows this again, to anyone.
 *
 * @param {Address} address
 * @returns {string} relative to the page
 */
export function addressOf(address) {
  const query = new URLSearchParams();
  for (const name of /** @type {const} */ (["dataset", "ticker", "date", "by"])) {
    const value = address[name];
    if (value) query.set(name, value);
  }
  if (address.date && address.dataset === "options" && address.contract) query.set("contract", address.contract);
  return `?${query}`;
}
