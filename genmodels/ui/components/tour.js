// The invitation to the tour. The browser remembers that it was answered; afterwards a small button
// is left.

const ANSWERED = "genmodels-tour";

export default (component) => show(component, buildInvitation);

function buildInvitation(place) {
  const text = el("p", { class: "genmodels-label" });
  const start = el("button", { type: "button", class: "genmodels-button" }, "Take the tour");
  const skip = el("button", { type: "button", class: "genmodels-button" }, "No, thanks");
  const row = el("div", { class: "genmodels-invitation" }, text, start, skip);
  const root = el("div", { class: "genmodels-root" }, row);
  place.append(root);
  let component = null;

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
    text.hidden = skip.hidden = answered();
  }
  start.addEventListener("click", () => {
    answer();
    component.setTriggerValue("start", true);
  });
  skip.addEventListener("click", answer);

  return {
    update(next) {
      component = next;
      text.textContent = next.data.text;
      paint();
    },
    remove: () => root.remove(),
  };
}
