import { element } from "./element.js";
/** @import { Day } from "./types" */

/** Why the session is not what it should be. @param {Day} day */
export function reasonBlock(day) {
  if (day.reasons.length === 0) return null;
  return element("div", { class: "notice", id: "day-reasons" }, ...day.reasons.map((line) => element("p", {}, line)));
}
