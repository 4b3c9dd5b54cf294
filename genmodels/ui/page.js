// Runs in the page before Streamlit: the browser's history, what a translator changes, and uploads.

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

// From the choice of a file until the page has been drawn with it, what is shown of the file before
// is dimmed. And where a file is refused, the reason stands below the field: Streamlit shows it only
// to a mouse that points at the file, and of a server's refusal nothing but a number.
{
  const STYLE = `
    [class*=st-key-result] { position: relative; }
    [data-upload=sending] [class*=st-key-result] > *, [data-upload=working] [class*=st-key-result] [data-stale=true] {
      opacity: 0.25 !important; transition: none !important;
    }
    [data-upload] :is(.st-key-result, .st-key-result-empty)::before {
      content: "Working on your new picture …"; position: absolute; z-index: 1; inset: 1rem 0 auto;
      text-align: center; font-weight: 600;
    }
    .genmodels-refused {
      margin: 0.5rem 0 0; padding: 0.75rem 1rem; border-radius: 0.5rem; background: rgb(255 75 75 / 0.12);
    }`;
  const UPLOADER = "[data-testid=stFileUploader]";
  const CHIP = "[data-testid=stFileChip]"; // a file in it
  const root = document.documentElement;
  let arrived = false; // the file, at the server
  let refusal = ""; // of the server, the last one

  addEventListener("DOMContentLoaded", () => {
    document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE }));
  });
  for (const kind of ["change", "drop"]) {
    addEventListener(kind, (/** @type {any} */ { target, dataTransfer }) => {
      if (!target.closest?.(UPLOADER) || !(dataTransfer ?? target).files?.length) return;
      [root.dataset.upload, arrived] = ["sending", false];
    }, true);
  }

  const { open } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (/** @type {any[]} */ ...request) {
    const [method, url] = request;
    if (method === "PUT" && String(url).includes("/_stcore/upload_file/")) {
      const note = () => { [arrived, refusal] = [true, whyRefused(this)]; };
      for (const kind of ["load", "error"]) this.addEventListener(kind, note);
    }
    return open.apply(this, /** @type {any} */ (request));
  };

  function whyRefused(request) {
    const { status } = request;
    if (status === 0) {
      return "The connection broke during the upload. Try again. If it happens again, try a smaller file: " +
        "some servers cut off files that are too large.";
    }
    const own = request.getResponseHeader("Content-Type")?.startsWith("text/plain");
    if ([413, 503].includes(status) && own) return request.responseText;
    if (status === 413) {
      return "The server refuses files of this size. Make the file smaller, or ask whoever runs the server " +
        "to raise its limit for uploads.";
    }
    return `The server refused the upload (status ${status}). Reload the page and try again.`;
  }

  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) if (refusal) addedNodes.forEach(putInWords);
    if (changes.some(({ target }) => /** @type {Element} */ (target).closest?.(UPLOADER))) sayRefusals();
    const state = /** @type {HTMLElement} */ (document.querySelector("[data-testid=stApp]"))?.dataset.testScriptState;
    if (root.dataset.upload === "sending" && arrived && state === "running") root.dataset.upload = "working";
    // Where a file takes another's place, the page may be drawn without any in between.
    const between = document.querySelector(".st-key-result-empty") && document.querySelector(`${UPLOADER} ${CHIP}`);
    if (root.dataset.upload === "working" && state === "notRunning" && !between) delete root.dataset.upload;
  }).observe(document, { childList: true, subtree: true, attributeFilter: ["data-test-script-state"] });

  /** Puts the server's last refusal in the place of what Streamlit says of it. */
  function putInWords(node) {
    const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    for (let text = texts.currentNode; text; text = texts.nextNode()) {
      if (text.nodeValue?.startsWith("AxiosError")) text.nodeValue = refusal;
    }
  }

  function sayRefusals() {
    for (const uploader of document.querySelectorAll(UPLOADER)) {
      const words = [...uploader.querySelectorAll(`${CHIP} [role=alert]`)].map((alert) => {
        const name = /** @type {HTMLElement} */ (alert.parentNode.querySelector("[data-testid=stFileChipName]")).title;
        return `${name}: ${alert.textContent.replace(/^Error: /, "")}`;
      });
      let place = uploader.querySelector(".genmodels-refused");
      if (words.length) delete root.dataset.upload;
      if ((place?.textContent ?? "") === words.join(" ")) continue;
      if (!place) uploader.append(place = Object.assign(document.createElement("p"), { className: "genmodels-refused" }));
      if (words.length) place.textContent = words.join(" ");
      else place.remove();
    }
  }
}
