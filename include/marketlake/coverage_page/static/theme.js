/** @typedef {"dark" | "light"} Theme */

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

/** @returns {HTMLElement | null} the root of the page of Airflow around this one */
function outerRoot() {
  try {
    return window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return null; // framed by a page of another origin
  }
}

/** @param {string | null | undefined} name @returns {Theme | null} */
function themeNamed(name) {
  return name === "dark" || name === "light" ? name : null;
}

/** @returns {Theme} Airflow's theme: of the page around this one, else the one Airflow keeps, else the system's */
function currentTheme() {
  const outer = outerRoot();
  const shown = outer && (themeNamed(outer.dataset.theme)
    ?? themeNamed(outer.classList.contains("dark") ? "dark" : outer.classList.contains("light") ? "light" : null));
  return shown ?? keptTheme() ?? (prefersDark.matches ? "dark" : "light");
}

function keptTheme() {
  try {
    return themeNamed(localStorage.getItem("theme"));
  } catch {
    return null; // a file opened without an origin has no storage
  }
}

/** Keeps the page in Airflow's theme. @param {() => void} [changed] */
export function followTheme(changed) {
  const follow = () => {
    const theme = currentTheme();
    if (document.documentElement.dataset.theme === theme) return;
    document.documentElement.dataset.theme = theme;
    changed?.();
  };
  follow();
  const outer = outerRoot();
  if (outer) new MutationObserver(follow).observe(outer, { attributeFilter: ["class", "data-theme"] });
  prefersDark.addEventListener("change", follow);
  window.addEventListener("storage", follow);
}
