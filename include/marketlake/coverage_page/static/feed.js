import { ApiError, getCoverage } from "./api.js";
/** @import { Coverage } from "./types" */

const CALM_MS = 15_000;
const BUSY_MS = 2_000;

/**
 * @typedef {object} Listener
 * @property {(coverage: Coverage) => void} received new or changed coverage
 * @property {() => Promise<boolean>} asked after every answer; true: something is under way, ask again soon
 * @property {(error: ApiError) => void} failed
 * @property {() => void} recovered an answer after failures
 */

/** Asks for the coverage of one subject again and again: soon while something is under way, never while hidden. */
export class Feed {
  #dataset = "";
  #ticker = "";
  /** @type {string | null} */
  #tag = null;
  /** @type {number | undefined} */
  #timer;
  #failing = false;
  /** Counts the subjects: an answer about the one before is stale. */
  #turn = 0;

  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.now(); });
  }

  /** @param {string} dataset @param {string} ticker @returns {Promise<void>} after the first answer */
  watch(dataset, ticker) {
    this.#dataset = dataset;
    this.#ticker = ticker;
    this.#tag = null;
    return this.#ask();
  }

  /** Asks at once instead of at the next turn. */
  now() {
    if (this.#dataset) void this.#ask();
  }

  async #ask() {
    clearTimeout(this.#timer);
    this.#turn += 1;
    const turn = this.#turn;
    let again_ms = CALM_MS;
    try {
      const { tag, coverage } = await getCoverage(this.#dataset, this.#ticker, this.#tag);
      if (turn !== this.#turn) return;
      this.#tag = tag;
      if (this.#failing) this.listener.recovered();
      this.#failing = false;
      if (coverage) this.listener.received(coverage);
      if (await this.listener.asked()) again_ms = BUSY_MS;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (turn !== this.#turn) return;
      this.#failing = true;
      this.listener.failed(error);
      if (error.status === 404) return;
    }
    if (turn !== this.#turn) return;
    this.#timer = setTimeout(() => { if (!document.hidden) void this.#ask(); }, again_ms);
  }
}
