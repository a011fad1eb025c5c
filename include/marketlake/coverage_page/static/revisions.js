import { ApiError, getDifference } from "./api.js";
import { differenceParts } from "./difference.js";
import { section } from "./certificate.js";
import { button, element } from "./element.js";
import { countWords, momentWords } from "./words.js";
/** @import { Day, Revision } from "./types" */

/** What rows are, if they are no bars. @type {Record<string, string>} */
const NOUNS = { option_chain: "Contracts", option_selection: "Contracts", option_panel: "Rows" };

/** The day's revisions, and the rows that changed between two of them. */
export class Revisions {
  /** @param {Day} day @param {HTMLElement} place where the rows that changed are shown */
  constructor(day, place) {
    this.day = day;
    this.place = place;
    const newest_first = [...day.revisions].sort((one, other) => other.revision - one.revision);
    this.newer = newest_first[0]?.revision ?? 0;
    this.older = newest_first[1]?.revision ?? 0;
    this.section = section("revisions", "Revisions", newest_first.length ? this.#parts(newest_first) : []);
  }

  /** @param {Revision[]} newest_first */
  #parts(newest_first) {
    const several = newest_first.length > 1;
    const heads = [...(several ? ["Old", "New"] : []), "Revision", NOUNS[this.day.dataset] ?? "Bars", "State"];
    const table = element("table", { class: "revisions" },
      element("thead", {}, element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...newest_first.map((revision) => this.#row(revision, several))));
    if (!several) return [table];
    return [table, button("Show the rows that changed", () => void this.#compare(), { id: "compare", class: "small" })];
  }

  /** @param {Revision} revision @param {boolean} several */
  #row(revision, several) {
    const published = revision.published_at_ms === null ? "" : momentWords(revision.published_at_ms);
    return element("tr", {},
      several && element("td", {}, this.#choice("older", revision.revision)),
      several && element("td", {}, this.#choice("newer", revision.revision)),
      element("th", { scope: "row" }, `${revision.revision}${revision.newest ? ", newest" : ""}`,
        element("small", {}, published), revision.changes ? element("small", {}, revision.changes) : null),
      element("td", {}, revision.rows === null ? "" : countWords(revision.rows)),
      element("td", {}, revision.state));
  }

  /** @param {"older" | "newer"} side @param {number} revision */
  #choice(side, revision) {
    const choice = element("input", {
      type: "radio", name: `revision-${side}`, value: revision, checked: this[side] === revision,
      "aria-label": `Revision ${revision} as the ${side === "older" ? "old" : "new"} one`,
    });
    choice.addEventListener("change", () => { this[side] = revision; });
    return choice;
  }

  async #compare() {
    const { older, newer } = this;
    if (older === newer) {
      this.place.replaceChildren(element("p", { role: "status" }, "Choose two different revisions."));
      return;
    }
    try {
      const difference = await getDifference(this.day, { older, newer });
      if (older !== this.older || newer !== this.newer) return;
      this.place.replaceChildren(element("h3", { tabindex: -1 }, "Rows that changed"), ...differenceParts(difference));
      this.place.querySelector("h3")?.focus();
      this.place.scrollIntoView({ block: "nearest" });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.place.replaceChildren(element("p", { class: "error", role: "status" }, error.message));
    }
  }
}
