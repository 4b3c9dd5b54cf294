import assert from "node:assert/strict";
import test from "node:test";

import { along, onPlane } from "../../genmodels/ui/widgets/latents.js";

const near = (found, expected) => {
  assert.equal(found.length, expected.length);
  found.forEach((value, index) => assert.ok(Math.abs(value - expected[index]) < 1e-9, `${found}`));
};

test("a straight way goes evenly from end to end", () => {
  const way = { start: [1, -2], end: [3, 4], path: "linear" };
  near(along(way, 0), [1, -2]);
  near(along(way, 0.25), [1.5, -0.5]);
  near(along(way, 1), [3, 4]);
});

test("a spherical way goes evenly by angle and by length", () => {
  const way = { start: [2, 0, 0], end: [0, 4, 0], path: "spherical" };
  near(along(way, 0), [2, 0, 0]);
  near(along(way, 1), [0, 4, 0]);
  near(along(way, 1 / 3), [(8 / 3) * Math.cos(Math.PI / 6), (8 / 3) * Math.sin(Math.PI / 6), 0]);
});

test("where there is no one circle, the way is straight", () => {
  for (const [start, end] of [[[1, 1], [2, 2]], [[1, 0], [-1, 0]], [[0, 0], [0, 3]]]) {
    near(along({ start, end, path: "spherical" }, 0.5), [(start[0] + end[0]) / 2, (start[1] + end[1]) / 2]);
  }
});

test("a place of a plane, and beyond it", () => {
  const plane = { origin: [1, 1, 1], axes: [[1, 0, 0], [0, 2, 0]], beyond: [[0, 0, 5], [1, 1, 1]] };
  near(onPlane(plane, 2, 3, [0, 0]), [3, 7, 1]);
  near(onPlane(plane, 2, 3, [-1, 0.5]), [3.5, 7.5, -3.5]);
  near(onPlane(plane, 0, 0, []), [1, 1, 1]);
});
