import { airflowLink } from "./airflow.js";
import { ApiError, triggerRun } from "./api.js";
import { button, element } from "./element.js";
import { bytesWords, countWords, durationWords, sessionsWords } from "./words.js";
/** @import { ActionCosts, Coverage, Session } from "./types" */

const MOST_SESSIONS = 5_000;
/** Until the scheduler has made the run and its plan. */
const BEGINNING_S = 10;

/** The dialog that says what fetching costs, and triggers the dataset's DAG for exactly the chosen sessions. */
export class Action {
  /**
   * @param {HTMLDialogElement} dialog
   * @param {(dag_id: string, run_id: string, sessions: Session[]) => void} triggered
   */
  constructor(dialog, triggered) {
    this.dialog = dialog;
    this.triggered = triggered;
  }

  /**
   * @param {Coverage} coverage
   * @param {Session[]} chosen ascending
   * @param {string} what such as "missing sessions"
   */
  propose(coverage, chosen, what) {
    const { action } = coverage;
    if (!action || chosen.length === 0) return;
    const sessions = chosen.filter(({ date }) => action.first && action.last && date >= action.first && date <= action.last);
    const most = sessions.length * (action.most_a_session ?? 0);
    const too_many = action.most_requests !== null && most > action.most_requests;
    const refused = sessions.length === 0 || sessions.length > MOST_SESSIONS || too_many;
    const close = button(refused ? "Close" : "Cancel", () => this.dialog.close(), { class: "secondary" });
    const answer = element("p", { class: "answer", role: "status" });
    const buttons = element("div", { class: "buttons" }, close);
    const fetch = button(`Fetch ${sessionsWords(sessions.length)}`, () => {
      fetch.disabled = true;
      void this.#trigger(coverage, sessions, answer).then((accepted) => {
        fetch.disabled = accepted;
        if (!accepted) return;
        fetch.remove();
        close.textContent = "Close";
        close.focus();
      });
    }, { class: "primary" });
    if (!refused) buttons.append(fetch);
    this.dialog.replaceChildren(
      element("h2", { id: "action-title" }, `Fetch ${what}`),
      too_many ? beyondBudget(sessions.length, most, action)
        : refused ? refusal(sessions.length) : costs(sessions, chosen.length - sessions.length, action),
      answer, buttons);
    this.dialog.showModal();
  }

  /** @param {Coverage} coverage @param {Session[]} sessions @param {HTMLElement} answer @returns {Promise<boolean>} */
  async #trigger({ dag_id }, sessions, answer) {
    answer.className = "answer";
    answer.textContent = "Asking Airflow for a run.";
    try {
      const run_id = await triggerRun(dag_id, {
        sessions: sessions.map((session) => session.date),
        refetch: sessions.some(isHeld),
      });
      const path = `dags/${encodeURIComponent(dag_id)}/runs/${encodeURIComponent(run_id)}`;
      answer.replaceChildren("Triggered: ", airflowLink(path, run_id), ". The calendar follows it.");
      this.triggered(dag_id, run_id, sessions);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      answer.className = "answer error";
      answer.textContent = error.status === 403
        ? `Airflow refused: you may not trigger ${dag_id}. ${error.message}`
        : `Nothing was triggered: ${error.message}`;
      return false;
    }
  }
}

/** A damaged file too: without `refetch` its footer may still pass for a session that is done. @param {Session} session */
function isHeld(session) {
  return session.bytes !== null;
}

const OUTSIDE = "not final yet, or outside of the settings' history";

/** @param {number} count */
function refusal(count) {
  if (count === 0) return element("p", {}, `There is nothing to fetch: what you chose is ${OUTSIDE}.`);
  return element("p", {}, `These are ${sessionsWords(count)}; a run takes at most ${countWords(MOST_SESSIONS)}. `
    + "Select fewer, or fetch the whole stretch with a backfill: on this machine with ",
    element("code", {}, "make backfill FROM=… TO=…"), ", or from the DAG's page under Trigger, Backfill.");
}

/** @param {number} count @param {number} most @param {ActionCosts} action */
function beyondBudget(count, most, { most_requests }) {
  return element("p", {}, `${sessionsWords(count)} could take ${countWords(most)} requests, and a run is refused beyond `
    + `${countWords(Number(most_requests))}. Choose fewer, or raise `, element("code", {}, "options.max_requests_per_run"),
    " in the settings.");
}

const NOT_KNOWN = "not known before a first session was fetched";

/** @param {Session[]} sessions @param {number} left_out @param {ActionCosts} action */
function costs(sessions, left_out, action) {
  const count = sessions.length;
  const held = sessions.filter(isHeld).length;
  const requests = action.requests_a_session === null ? null : count * action.requests_a_session;
  const limited_s = action.requests_per_minute ? (Number(requests) / action.requests_per_minute) * 60 : 0;
  const fetching_s = count * (action.seconds_a_session ?? 0);
  const time = action.seconds_a_session === null && !limited_s
    ? NOT_KNOWN
    : `about ${durationWords(BEGINNING_S + Math.max(limited_s, fetching_s))}`;
  const first = sessions[0]?.date;
  const last = sessions.at(-1)?.date;
  const limit = action.requests_per_minute
    ? `at most ${countWords(action.requests_per_minute)} a minute`
    : "no limit of requests is set";
  const budget = action.most_requests === null ? limit : `${limit}; a run that could take more than ${countWords(action.most_requests)} is refused`;
  return element("dl", { class: "costs" },
    ...row("Sessions", countWords(count), count === 1 ? String(first) : `${first} to ${last}`),
    ...(left_out ? row("Left out", countWords(left_out), OUTSIDE) : []),
    ...row("Held already", countWords(held), held ? "will be fetched again; their revisions are kept" : ""),
    ...row("Requests", requests === null ? NOT_KNOWN : `about ${countWords(requests)}`, budget),
    ...row("Transfer", action.bytes_a_session === null ? NOT_KNOWN : `about ${bytesWords(count * action.bytes_a_session)}`, ""),
    ...row("Time", time, `${countWords(action.sessions_in_flight)} sessions at a time`));
}

/** @param {string} name @param {string} value @param {string} rest */
function row(name, value, rest) {
  return [element("dt", {}, name), element("dd", {}, element("b", {}, value), rest && element("span", {}, rest))];
}
