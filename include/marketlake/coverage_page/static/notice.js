/** The line above everything that says what is wrong; an alert. */
export class Notice {
  #now = "";

  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
  }

  /** @param {string} text @param {...Node} rest such as a link */
  say(text, ...rest) {
    // An alert is read out whenever it is set: once is enough.
    if (text === this.#now) return;
    this.#now = text;
    this.host.hidden = false;
    this.host.replaceChildren(text, ...rest);
  }

  clear() {
    this.#now = "";
    this.host.hidden = true;
    this.host.replaceChildren();
  }
}
