// Brings what stands below this place into view when its token changes.

import { el, show } from "./widget.js";

export default (component) => show(component, buildArrival);

function buildArrival(place) {
  const mark = el("div", { class: "genmodels-root" });
  mark.style.scrollMarginTop = "5rem"; // Streamlit's bar lies over the top of the page
  place.append(mark);
  let before;

  function update({ data: { token } }) {
    if (before !== undefined && token !== before) mark.scrollIntoView({ block: "start" });
    before = token;
  }

  return { update, remove: () => mark.remove() };
}
