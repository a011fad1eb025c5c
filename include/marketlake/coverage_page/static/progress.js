/** @import { Coverage, Session } from "./types" */

/** What became of the sessions that a run was triggered for. */
export class Progress {
  /** @type {Map<string, Session>} */
  #now = new Map();
  /** @type {Set<string>} */
  #seenRunning = new Set();
  #over = false;
  #ended = false;

  /**
   * @param {string} dag_id
   * @param {string} run_id
   * @param {Session[]} before the sessions as they were when the run was triggered
   */
  constructor(dag_id, run_id, before) {
    this.dag_id = dag_id;
    this.run_id = run_id;
    this.before = before;
  }

  /** @param {Coverage} coverage */
  follow(coverage) {
    const wanted = new Set(this.before.map((session) => session.date));
    for (const session of coverage.sessions) {
      if (!wanted.has(session.date)) continue;
      this.#now.set(session.date, session);
      if (session.state === "running") this.#seenRunning.add(session.date);
    }
  }

  /**
   * If the run is over, what is not under way is settled, also where nothing changed. The coverage may be older than this
   * answer, so only the second such answer counts.
   *
   * @param {string} state
   */
  runIs(state) {
    const over = state === "success" || state === "failed";
    this.#ended = over && this.#over;
    this.#over = over;
  }

  get total() {
    return this.before.length;
  }

  /** @returns {Session[]} the sessions whose outcome is known */
  get settled() {
    return this.before.flatMap((before) => {
      const now = this.#now.get(before.date);
      return now && this.#isSettled(before, now) ? [now] : [];
    });
  }

  /** @returns {Session[]} also those that stay as they are held, since they could not be fetched again */
  get failures() {
    return this.settled.filter((session) => session.state === "failed" || this.#failedHere(session));
  }

  /** @returns {Set<string>} dates of the sessions that are waited for */
  get waiting() {
    const settled = new Set(this.settled.map((session) => session.date));
    return new Set(this.before.map((session) => session.date).filter((date) => !settled.has(date)));
  }

  /** @param {Session} before @param {Session} now */
  #isSettled(before, now) {
    if (now.state === "running") return false;
    if (this.#ended) return true;
    // A failed session that waits in a queue again looks missing.
    if (now.state === "missing") return false;
    return this.#failedHere(now) || this.#seenRunning.has(now.date)
      || now.state !== before.state || now.revision !== before.revision;
  }

  /** @param {Session} now */
  #failedHere({ run }) {
    return run?.state === "failed" && run.run_id === this.run_id;
  }
}
