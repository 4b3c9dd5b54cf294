// Points of the plane to learn from, all within 3 of the middle, and random numbers from a seed.

import { average } from "./formulas.js";

/** Uniform numbers from 0 to 1, the same for the same seed (mulberry32). */
export function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One number from N(0, 1) (Box and Muller 1958). */
export const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

export const normals = (count, random) => Float64Array.from({ length: count }, () => normal(random));

export const BLUR = 0.1; // the standard deviation of a mode, and of what lies about a line

const RING = Array.from({ length: 8 }, (_, index) => {
  const angle = (index * Math.PI) / 4;
  return [2 * Math.cos(angle), 2 * Math.sin(angle)];
});
const GRID = Array.from({ length: 9 }, (_, index) => [2 * (index % 3) - 2, 2 * Math.floor(index / 3) - 2]);

const any = (modes) => (random) => modes[Math.floor(random() * modes.length)];

// Each has the places to which BLUR is added, and its modes where it has some.
export const DISTRIBUTIONS = {
  ring: { place: any(RING), modes: RING },
  grid: { place: any(GRID), modes: GRID },
  one: { place: () => [1, 1], modes: [[1, 1]] },
  line: {
    place: (random) => {
      const along = 4 * random() - 2;
      return [along, along / 2];
    },
    modes: [],
  },
  moons: {
    place: (random) => {
      const upper = random() < 0.5;
      const angle = Math.PI * random();
      const [x, y] = [1.4 * Math.cos(angle), 1.4 * Math.sin(angle)];
      return upper ? [x - 0.7, y - 0.35] : [0.7 - x, 0.35 - y];
    },
    modes: [],
  },
  spiral: {
    place: (random) => {
      const angle = 3.5 * Math.PI * Math.sqrt(random());
      return [0.2 * angle * Math.cos(angle), 0.2 * angle * Math.sin(angle)];
    },
    modes: [],
  },
};

/** `count` points of a distribution, row after row. */
export function pointsOf({ place }, count, random) {
  const points = Array.from({ length: count }, () => place(random).map((part) => part + BLUR * normal(random)));
  return Float64Array.from(points.flat());
}

const NEAR = 3 * BLUR;

/** For each point the distance to the nearest of others. */
function distances(points, others) {
  const nearest = new Float64Array(points.length / 2).fill(Infinity);
  for (let index = 0; index < nearest.length; index++) {
    for (let other = 0; other < others.length; other += 2) {
      const distance = Math.hypot(points[2 * index] - others[other], points[2 * index + 1] - others[other + 1]);
      if (distance < nearest[index]) nearest[index] = distance;
    }
  }
  return nearest;
}

export const shareNear = (points, others) => average(distances(points, others).map((distance) => Number(distance < NEAR)));

/** How many modes have a quarter or more of their share of the points within NEAR. */
export function covered(modes, points) {
  const least = points.length / 2 / modes.length / 4;
  return modes.filter(
    (mode) => distances(points, mode).filter((distance) => distance < NEAR).length >= least,
  ).length;
}
