import { button, element } from "./element.js";
import { countWords, sessionsWords } from "./words.js";
/** @import { Coverage, Session, SessionState } from "./types" */

const SHOWN_AT_FIRST = 10;
const LONGEST_KIND = 160;
/** From this many on, consecutive sessions with the same reason are one line. */
const RUN_OF_SESSIONS = 3;

/** @type {{ state: SessionState, title: string }[]} */
const GROUPS = [
  { state: "failed", title: "Failed" },
  { state: "missing", title: "Missing" },
  { state: "suspect", title: "Suspect" },
  { state: "provisional", title: "Provisional" },
];

/**
 * @typedef {object} Handlers
 * @property {(date: string) => string} address of a day's link
 * @property {((sessions: Session[], what: string) => void) | null} fetch null: this reader may not fetch
 */

/** The days that need attention: by state, in it by reason, the newest first; long runs and long lists folded. */
export class Attention {
  /** @type {Set<string>} */
  #unfolded = new Set();
  #drawn = "";

  /** @param {HTMLElement} host @param {Handlers} handlers */
  constructor(host, handlers) {
    this.host = host;
    this.handlers = handlers;
  }

  /** @param {Coverage} coverage */
  show(coverage) {
    const { sessions } = coverage;
    const wanted = sessions.map((session, place) => ({ session, place })).filter(({ session }) =>
      GROUPS.some(({ state }) => state === session.state));
    // A list drawn anew every two seconds could not be used while a run is under way.
    const now = JSON.stringify([coverage.dataset, coverage.ticker, wanted, this.handlers.fetch !== null]);
    if (now === this.#drawn) return;
    this.#drawn = now;
    const focused = document.activeElement instanceof HTMLAnchorElement ? document.activeElement.href : null;
    const groups = GROUPS.map((group) =>
      this.#group(group, wanted.filter(({ session }) => session.state === group.state).reverse()));
    const calm = groups.every((group) => group === null);
    this.host.replaceChildren(...groups.filter((group) => group !== null),
      ...(calm ? [element("p", { class: "quiet" }, "No session needs attention.")] : []));
    if (focused) [...this.host.querySelectorAll("a")].find((link) => link.href === focused)?.focus();
  }

  /** @param {{ state: SessionState, title: string }} group @param {Placed[]} newest_first */
  #group({ state, title }, newest_first) {
    if (newest_first.length === 0) return null;
    const { fetch } = this.handlers;
    const sessions = newest_first.map(({ session }) => session).reverse();
    const head = element("header", {},
      element("h3", { id: `attention-${state}` },
        element("span", { class: `swatch state-${state}`, "aria-hidden": "true" }), `${title} `,
        element("span", { class: "count" }, countWords(newest_first.length))));
    if (fetch) {
      const text = sessions.length === 1 ? "Fetch it" : "Fetch all";
      head.append(button(text, () => fetch(sessions, `${title.toLowerCase()} sessions`),
        { class: "small", "aria-label": `${text}: ${sessionsWords(sessions.length)}, ${state}` }));
    }
    return element("section", { class: "attention-group", "aria-labelledby": `attention-${state}`, "data-group": state },
      head, ...byReason(newest_first).map(([kind, placed]) => this.#reason(`${state} ${kind}`, kind, placed)));
  }

  /** @param {string} key @param {string} kind @param {Placed[]} newest_first */
  #reason(key, kind, newest_first) {
    const lines = runsOf(newest_first).map((run) => this.#line(run, kind));
    const list = element("ul", {}, ...lines);
    const block = element("div", { class: "reason" }, kind ? element("p", {}, shortened(kind)) : null, list);
    if (lines.length > SHOWN_AT_FIRST && !this.#unfolded.has(key)) {
      const folded = lines.slice(SHOWN_AT_FIRST);
      folded.forEach((line) => line.remove());
      const all = button(`Show all (${countWords(folded.length)} more)`, () => {
        this.#unfolded.add(key);
        list.append(...folded);
        all.remove();
        folded[0]?.querySelector("a")?.focus();
      }, { class: "plain" });
      block.append(all);
    }
    return block;
  }

  /** @param {Placed[]} run newest first @param {string} kind */
  #line(run, kind) {
    const newest = run[0]?.session;
    const oldest = run.at(-1)?.session;
    if (!newest || !oldest) return element("li");
    if (run.length === 1) {
      const text = beyondKind(newest, kind);
      return element("li", { title: newest.reasons.join("; ") || null },
        this.#link(newest.date), text && element("span", {}, ` ${text}`));
    }
    return element("li", { class: "wide" }, this.#link(oldest.date), " to ", this.#link(newest.date),
      element("span", {}, `, ${sessionsWords(run.length)}`));
  }

  /** @param {string} date */
  #link(date) {
    return element("a", { class: "day-link", href: this.handlers.address(date) }, date);
  }
}

/** @typedef {{ session: Session, place: number }} Placed a session and its place among all */

const NUMBERS = /\d[\d,.:-]*\d|\d/g;

/** What stands above a list of days; the whole of it is told of each of them. @param {string} kind */
function shortened(kind) {
  return kind.length > LONGEST_KIND ? `${kind.slice(0, LONGEST_KIND)}…` : kind;
}

/**
 * What the reason of a session says beyond its kind, if that is one number.
 *
 * @param {Session} session
 * @param {string} kind
 */
function beyondKind({ reasons }, kind) {
  const reason = reasons.join("; ");
  const numbers = reason === kind ? [] : reason.match(NUMBERS) ?? [];
  return reasons.length === 1 && numbers.length === 1 ? numbers[0] : "";
}

/**
 * Reasons that differ only in their numbers are of one kind.
 *
 * @param {Placed[]} newest_first
 * @returns {[string, Placed[]][]}
 */
function byReason(newest_first) {
  /** @type {Map<string, Placed[]>} */
  const kinds = new Map();
  for (const placed of newest_first) {
    const kind = (placed.session.reasons[0] ?? "").replace(NUMBERS, "…");
    const others = kinds.get(kind);
    if (others) others.push(placed);
    else kinds.set(kind, [placed]);
  }
  return [...kinds].map(([kind, all]) => {
    const exact = all[0]?.session.reasons[0] ?? "";
    return [all.every(({ session }) => (session.reasons[0] ?? "") === exact) ? exact : kind, all];
  });
}

/**
 * Sessions that follow each other are one run, if they are many and have no reasons of their own.
 *
 * @param {Placed[]} newest_first
 * @returns {Placed[][]}
 */
function runsOf(newest_first) {
  /** @type {Placed[][]} */
  const runs = [];
  for (const placed of newest_first) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    const follows = last && last.place - 1 === placed.place
      && last.session.reasons.join() === placed.session.reasons.join();
    if (run && follows) run.push(placed);
    else runs.push([placed]);
  }
  return runs.flatMap((run) => (run.length >= RUN_OF_SESSIONS ? [run] : run.map((placed) => [placed])));
}
