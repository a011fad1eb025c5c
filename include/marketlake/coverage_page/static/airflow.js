import { element } from "./element.js";

/** @returns {Document | null} Airflow's page around this one */
function airflowAround() {
  try {
    return window.parent === window ? null : window.parent.document;
  } catch {
    return null; // framed by a page of another origin
  }
}

/** Whether this page is shown inside Airflow's. */
export function isFramed() {
  return airflowAround() !== null;
}

/** The address to come back to: of Airflow's page around this one, else of this one. */
export function outerAddress() {
  return (airflowAround() ?? document).location.href;
}

/**
 * A link that leaves this page. Airflow's frame may not navigate the page around it, but it is of the same origin: so the
 * click is made out there.
 *
 * @param {string} address
 * @param {string} text
 */
export function outerLink(address, text) {
  const link = element("a", { href: address }, text);
  link.addEventListener("click", (event) => {
    const around = airflowAround();
    if (!around) return;
    event.preventDefault();
    const outside = around.createElement("a");
    outside.href = link.href;
    around.body.append(outside);
    outside.click();
    outside.remove();
  });
  return link;
}

/** @param {string} path relative to Airflow's root @param {string} text */
export function airflowLink(path, text) {
  return outerLink(`../${path}`, text);
}
