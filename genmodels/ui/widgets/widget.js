// What all widgets are built with.

/**
 * What Streamlit calls a component with, and the exported site too.
 *
 * @template Data
 * @typedef {{
 *   parentElement: ParentNode,
 *   data: Data,
 *   setStateValue?: (name: string, value: any) => void,
 *   setTriggerValue?: (name: string, value: any) => void,
 * }} Component
 */

/**
 * @template Data
 * @typedef {{ update: (component: Component<Data>) => void, remove: () => void, calls?: number }} View
 */

/** @type {WeakMap<ParentNode, View<any>>} */
const views = new WeakMap();

/**
 * Streamlit calls a component again for new data or another theme, and tidies up at the end, or
 * early after a call that was overtaken by the next one. So: build once in a place, then update,
 * and let only the newest call remove what is there.
 *
 * @template Data
 * @param {Component<Data>} component
 * @param {(place: any) => View<Data>} build
 */
export function show(component, build) {
  const place = component.parentElement;
  const view = views.get(place) ?? build(place);
  views.set(place, view);
  const call = (view.calls = (view.calls ?? 0) + 1);
  view.update(component);
  return () => {
    if (view.calls !== call) return;
    views.delete(place);
    view.remove();
  };
}

/**
 * A DOM element; text among the children stays text.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean>} attributes
 * @param {(Node | string)[]} children
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** Where the handles of the page stand, as a link or the browser's history keeps it; see page.js. */
export const readLook = () => window.genmodelsLook?.read() ?? "";
/** @param {string} text */
export const keepLook = (text) => window.genmodelsLook?.keep(text);

/**
 * The greatest width up to `room` at which every pixel of a picture is the same square; all of
 * `room` where that would fill less than `least` of it.
 *
 * @param {number} pixels
 * @param {number} room
 */
export function crispWidth(pixels, room, least = 0.6) {
  const unit = pixels / (window.devicePixelRatio || 1);
  const crisp = Math.floor(room / unit) * unit;
  return crisp >= least * room ? crisp : room;
}

/**
 * Enlarged pictures keep hard pixels; slightly scaled ones would look uneven with them.
 *
 * @param {number} pixels
 * @param {number} shown
 */
export function rendering(pixels, shown) {
  const scale = (shown * (window.devicePixelRatio || 1)) / pixels;
  return scale >= 2 || scale === 1 ? "pixelated" : "auto";
}
