// Ways and planes in the latent space, as genmodels/latent.py has them. Latents are arrays.

/**
 * @typedef {number[]} Latent
 * @typedef {{ start: Latent, end: Latent, path: string }} Way
 * @typedef {{ origin: Latent, axes: Latent[], beyond: Latent[], names?: string[] }} Space
 */

/** @type {(a: Latent, b: Latent, factor: number) => Latent} */
export const plus = (a, b, factor) => a.map((value, index) => value + factor * b[index]);
/** @type {(a: Latent) => number} */
const length = (a) => Math.hypot(...a);

/**
 * The latent after a part (0 to 1) of the way from `start` to `end`: `latent.between`.
 *
 * @param {Way} way
 * @param {number} part
 * @returns {Latent}
 */
export function along({ start, end, path }, part) {
  const straight = () => start.map((value, index) => value + part * (end[index] - value));
  const lengths = [length(start), length(end)];
  if (path === "linear" || Math.min(...lengths) === 0) return straight();
  const a = start.map((value) => value / lengths[0]);
  const b = end.map((value) => value / lengths[1]);
  const angle = 2 * Math.atan2(length(plus(a, b, -1)), length(plus(a, b, 1)));
  if (angle < 1e-4 || angle > Math.PI - 1e-4) return straight(); // there is no one circle
  const radius = (lengths[0] + part * (lengths[1] - lengths[0])) / Math.sin(angle);
  const [from, to] = [Math.sin((1 - part) * angle) * radius, Math.sin(part * angle) * radius];
  return a.map((value, index) => from * value + to * b[index]);
}

/**
 * The latent at a place of a plane, moved by `offsets` along the directions beyond it.
 *
 * @param {Space} space
 * @param {number} x
 * @param {number} y
 * @param {number[]} offsets
 * @returns {Latent}
 */
export function onPlane({ origin, axes, beyond }, x, y, offsets) {
  let latent = plus(plus(origin, axes[0], x), axes[1], y);
  beyond.forEach((direction, index) => {
    if (offsets[index]) latent = plus(latent, direction, offsets[index]);
  });
  return latent;
}
