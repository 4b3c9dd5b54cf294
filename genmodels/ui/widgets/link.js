// A task for the class, and the link with it. The server, which draws the link as a QR code, hears of
// the task while it is typed, and where the handles of the page stand.

import { el, readLook, show } from "./widget.js";

const BREAK = 300; // milliseconds without a key

export default (component) => show(component, buildLink);

function buildLink(place) {
  const field = el("textarea", { class: "genmodels-task", rows: 3, "aria-label": "Task" });
  const link = el("code", { class: "genmodels-link", translate: "no", tabindex: 0 });
  const copy = el("button", { type: "button", class: "genmodels-button" }, "Copy the link");
  const said = el("p", { class: "genmodels-said", role: "status" });
  const root = el(
    "div",
    { class: "genmodels-root" },
    el("label", { class: "genmodels-label" }, "Task", field),
    link,
    copy,
    said,
  );
  place.append(root);
  let component = null;
  let waiting = 0;

  function tell() {
    clearTimeout(waiting);
    component.setStateValue("task", field.value);
  }
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(tell, BREAK);
  });
  field.addEventListener("change", tell);

  // Over plain http a page may not use the clipboard, but may copy what is selected.
  async function toClipboard() {
    try {
      await navigator.clipboard.writeText(link.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(link);
      return document.execCommand("copy");
    }
  }
  copy.addEventListener("click", async () => {
    said.textContent = (await toClipboard())
      ? "The link is copied."
      : "The browser doesn’t allow copying. The link is selected: press Ctrl+C (on a Mac ⌘C).";
  });

  return {
    update(next) {
      if (!component) {
        field.value = next.data.task;
        next.setStateValue("look", readLook());
      }
      component = next;
      field.maxLength = next.data.longest;
      if (link.textContent !== next.data.link) {
        link.textContent = next.data.link;
        copy.disabled = !next.data.link;
        said.textContent = "";
      }
    },
    remove() {
      clearTimeout(waiting);
      root.remove();
    },
  };
}
