/** @import { Chain, ContractOfDay } from "./option_types" */
/** @import { Bars, Coverage, Day, DayAsked, Difference, Subjects } from "./types" */

/** A refusal of the server in its words; `status` 0 if it could not be reached. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path relative to the page
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The server cannot be reached.");
  }
  if (response.ok || response.status === 304) return response;
  throw new ApiError(response.status, await detailOf(response));
}

/** @param {Response} response */
async function detailOf(response) {
  const body = await response.json().catch(() => null);
  const detail = body && typeof body === "object" ? body.detail : null;
  if (typeof detail === "string") return detail;
  // Airflow's own API gives a list of what is wrong with a request.
  return detail ? JSON.stringify(detail) : `The server answered with status ${response.status}.`;
}

/** @param {string} name @param {Record<string, string | number>} parameters */
function pathOf(name, parameters) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) query.set(key, String(value));
  return `api/${name}?${query}`;
}

/** @returns {Promise<Subjects>} */
export async function getSubjects() {
  return (await request("api/subjects")).json();
}

/**
 * @param {string} dataset
 * @param {string} ticker
 * @param {string | null} tag the tag of the coverage at hand
 * @returns {Promise<{ tag: string | null, coverage: Coverage | null }>} coverage null: it is as it was
 */
export async function getCoverage(dataset, ticker, tag) {
  const response = await request(pathOf("coverage", { dataset, ticker }), {
    cache: "no-store",
    headers: tag ? { "If-None-Match": tag } : {},
  });
  if (response.status === 304) return { tag, coverage: null };
  return { tag: response.headers.get("ETag"), coverage: await response.json() };
}

/** @param {DayAsked} which @returns {Promise<Day>} */
export async function getDay({ dataset, ticker, date }) {
  return (await request(pathOf("day", { dataset, ticker, date }), { cache: "no-store" })).json();
}

/** @param {DayAsked} which @returns {Promise<Chain>} */
export async function getChain({ dataset, ticker, date }) {
  return (await request(pathOf("chain", { dataset, ticker, date }), { cache: "no-store" })).json();
}

/**
 * @param {DayAsked} which
 * @param {string} contract
 * @param {{ start_ms?: number, end_ms?: number, most: number }} window without bounds: the hours in which options trade
 * @param {AbortSignal} signal
 * @returns {Promise<ContractOfDay>}
 */
export async function getContract({ dataset, ticker, date }, contract, window, signal) {
  const path = pathOf("contract", { dataset, ticker, date, contract, ...window });
  return (await request(path, { signal, cache: "no-store" })).json();
}

/**
 * @param {{ dataset: string, ticker: string, date: string }} which
 * @param {{ start_ms: number, end_ms: number, most: number }} window
 * @param {AbortSignal} signal
 * @returns {Promise<Bars>}
 */
export async function getBars({ dataset, ticker, date }, { start_ms, end_ms, most }, signal) {
  const path = pathOf("bars", { dataset, ticker, date, start_ms, end_ms, most });
  return (await request(path, { signal, cache: "no-store" })).json();
}

/**
 * @param {{ dataset: string, ticker: string, date: string }} which
 * @param {{ older: number, newer: number }} revisions
 * @returns {Promise<Difference>}
 */
export async function getDifference({ dataset, ticker, date }, { older, newer }) {
  return (await request(pathOf("difference", { dataset, ticker, date, old: older, new: newer }))).json();
}

/**
 * Asks Airflow, as the user who looks at the page, to run the DAG for these sessions.
 *
 * @param {string} dag_id
 * @param {{ sessions: string[], refetch: boolean }} conf
 * @returns {Promise<string>} the run's id
 */
export async function triggerRun(dag_id, conf) {
  const response = await request(`../api/v2/dags/${encodeURIComponent(dag_id)}/dagRuns`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ logical_date: null, conf }),
  });
  return (await response.json()).dag_run_id;
}

/** @param {string} dag_id @param {string} run_id @returns {Promise<string>} Airflow's word for the run's state */
export async function getRunState(dag_id, run_id) {
  const path = `../api/v2/dags/${encodeURIComponent(dag_id)}/dagRuns/${encodeURIComponent(run_id)}`;
  return (await (await request(path, { cache: "no-store" })).json()).state;
}
