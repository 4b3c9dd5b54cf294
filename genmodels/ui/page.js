// Runs in the page before Streamlit: the browser's history, and what a translator changes.

// One entry of the history for each page: Streamlit makes one for each parameter that its server
// writes. Where the page is about to change, its parameters come before its path does: those are
// of the page to come, which Streamlit adds to its path itself.
{
  const [push, replace] = [history.pushState.bind(history), history.replaceState.bind(history)];
  let leaving = false;
  let look = history.state?.look ?? null; // what a component keeps with the entry
  addEventListener("click", (event) => {
    const isLink = (node) => node.localName === "a" && node.href;
    const link = /** @type {HTMLAnchorElement} */ (event.composedPath().find(isLink));
    if (!link || link.target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    leaving = link.origin === location.origin && link.pathname !== location.pathname;
  }, true);
  addEventListener("popstate", (event) => { [leaving, look] = [false, event.state?.look ?? null]; });
  const isHere = (url) => new URL(url, location.href).pathname === location.pathname;
  history.pushState = (state, title, url) => {
    if (isHere(url) && leaving) return;
    leaving = false;
    if (isHere(url)) return history.replaceState(state, title, url);
    look = null;
    push(state, title, url);
  };
  history.replaceState = (state, title, url) => replace(look === null ? state : { ...state, look }, title, url);
  // Not in the address itself: for each new one a browser asks the server for the page's icon.
  window.genmodelsLook = {
    read: () => look ?? new URLSearchParams(location.search).get("look"),
    keep(text) {
      look = text;
      history.replaceState(history.state, "");
    },
  };
}

// A translator puts <font> elements in the place of text, or around it. React, which knows only the
// text, would fail when it takes the text away, puts something before it, or changes it.
{
  const stands = new WeakMap(); // text that was taken away, and what stands in its place
  const isFont = (node) => node?.nodeName === "FONT";
  new MutationObserver((changes) => {
    for (const { addedNodes, removedNodes, previousSibling, nextSibling } of changes) {
      for (const node of removedNodes) {
        const there = [...addedNodes, previousSibling, nextSibling].find(isFont);
        if (node.nodeType === Node.TEXT_NODE && !node.isConnected && there) stands.set(node, there);
      }
    }
  }).observe(document, { childList: true, subtree: true });

  /** The child of a parent that shows a node now; null where there is none. */
  function shown(parent, node) {
    let at = node.isConnected ? node : stands.get(node) ?? node;
    while (at && at.parentNode !== parent) at = at.parentNode;
    return at;
  }
  const { removeChild, insertBefore } = Node.prototype;
  /** @this {Node} @param {any} node @returns {any} */
  Node.prototype.removeChild = function (node) {
    if (node.parentNode === this || node.nodeType !== Node.TEXT_NODE) return removeChild.call(this, node);
    const there = shown(this, node);
    if (there) removeChild.call(this, there);
    return node;
  };
  /** @this {Node} @param {any} node @param {Node | null} before @returns {any} */
  Node.prototype.insertBefore = function (node, before) {
    const moved = before?.nodeType === Node.TEXT_NODE && before.parentNode !== this;
    return insertBefore.call(this, node, moved ? shown(this, before) : before);
  };
  const text = Object.getOwnPropertyDescriptor(Node.prototype, "nodeValue");
  Object.defineProperty(Node.prototype, "nodeValue", {
    ...text,
    set(value) {
      const there = this.isConnected ? null : stands.get(this);
      text.set.call(this, value);
      if (there?.isConnected) there.replaceWith(this); // to be translated again
    },
  });
}
