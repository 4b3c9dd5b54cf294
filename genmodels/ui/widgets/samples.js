// The stored samples of runs: loading them, and showing the one of a moment.

import { el, rendering } from "./widget.js";

const AT_ONCE = 4;
const KEPT = 64; // pictures in memory; the browser has the others in its cache

const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en");
export const inWords = (epoch) => (epoch === 0 ? "untrained" : `epoch ${short.format(epoch)}`);

/** Loads pictures, the nearest to the slider first, a few at a time. */
export function pictureLoader(arrived) {
  // Address → picture, or null where it could not be loaded; what was wanted last is last.
  const pictures = new Map();
  let running = 0;
  let queue = [];

  async function load(url) {
    running += 1;
    pictures.set(url, undefined);
    const image = new Image();
    image.src = url;
    pictures.set(url, await image.decode().then(() => image, () => null));
    running -= 1;
    arrived();
    next();
  }
  function next() {
    while (running < AT_ONCE && queue.length) {
      const url = queue.shift();
      if (!pictures.has(url)) load(url);
    }
  }
  return {
    get: (url) => pictures.get(url),
    failed: (url) => pictures.get(url) === null,
    /** Loads these, the first ones first; what was wanted long ago goes. */
    want(urls) {
      for (const url of urls.toReversed()) {
        if (!pictures.has(url)) continue;
        const image = pictures.get(url);
        pictures.delete(url);
        pictures.set(url, image);
      }
      queue = urls.filter((url) => !pictures.has(url));
      for (const url of pictures.keys()) {
        if (pictures.size + queue.length <= KEPT) break;
        if (pictures.get(url) !== undefined) pictures.delete(url); // not while it loads
      }
      next();
    },
  };
}

/** The number of a run's latest stop not later than the cursor; a hair of room for rounding. */
export function stopAt(run, epoch) {
  const later = run.stops.findIndex((stop) => stop[1] > epoch + 1e-9);
  return Math.max(0, (later < 0 ? run.stops.length : later) - 1);
}

/** One run's picture and its caption. */
export function sampleCard() {
  const canvas = el("canvas", { role: "img" });
  const title = el("strong");
  const moment = el("span");
  const node = el(
    "figure", { class: "genmodels-sample" }, canvas, el("figcaption", {}, title, moment),
  );
  let drawn = null;

  return {
    node,
    show(run, epoch, loader) {
      const index = stopAt(run, epoch);
      const near = run.stops
        .map((stop, at) => [Math.abs(at - index), loader.get(stop[2])])
        .filter(([, image]) => image)
        .sort((a, b) => a[0] - b[0]);
      const image = near[0]?.[1];
      const [seen, at, url] = run.stops[index] ?? [0, 0, ""];
      const words = seen === 0 ? "untrained" : `${inWords(at)} · ${whole.format(seen)} images seen`;
      title.textContent = run.title;
      moment.textContent = loader.failed(url) ? `${words} · this picture is missing` : words;
      canvas.setAttribute("aria-label", `64 samples of ${run.title}, ${words}`);
      canvas.dataset.imagesSeen = seen;
      const [, height, width] = run.shape;
      if (!drawn) [canvas.width, canvas.height] = [8 * width, 8 * height];
      if (!image || image === drawn) return;
      const [w, h] = [image.naturalWidth, image.naturalHeight];
      if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
      canvas.getContext("2d").drawImage(image, 0, 0);
      drawn = image;
    },
    pixels: () => canvas.width,
    fit: (width) => (canvas.style.imageRendering = rendering(canvas.width, width)),
  };
}
