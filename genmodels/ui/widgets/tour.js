// The invitation to the tour, beside the link to it. The browser remembers that it was answered;
// afterwards the link alone is left.

import { el, show } from "./widget.js";

const ANSWERED = "genmodels-tour";

export default (component) => show(component, buildInvitation);

function buildInvitation(place) {
  const text = el("p", { class: "genmodels-label" });
  const skip = el("button", { type: "button", class: "genmodels-button" }, "No, thanks");
  const row = el("div", { class: "genmodels-invitation" }, text, skip);
  const root = el("div", { class: "genmodels-root" }, row);
  place.append(root);

  // A browser may forbid to remember.
  const answered = () => {
    try {
      return localStorage.getItem(ANSWERED) !== null;
    } catch {
      return false;
    }
  };
  function answer() {
    try {
      localStorage.setItem(ANSWERED, "yes");
    } catch {
      // It will ask again.
    }
    paint();
  }
  function paint() {
    row.classList.toggle("genmodels-asks", !answered());
    root.hidden = answered();
  }
  skip.addEventListener("click", answer);
  const take = (event) => {
    if (event.target.closest?.('a[href*="tour="]')) answer();
  };
  document.addEventListener("click", take, true);

  return {
    update(next) {
      text.textContent = next.data.text;
      paint();
    },
    remove() {
      document.removeEventListener("click", take, true);
      root.remove();
    },
  };
}
