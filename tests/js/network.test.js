// The networks that learn in the browser; tests/test_points.py holds their steps against torch.

import assert from "node:assert/strict";
import test from "node:test";

import {
  covered,
  DISTRIBUTIONS,
  normals,
  pointsOf,
  uniform,
} from "../../genmodels/ui/widgets/distributions.js";
import { ganLearner, vaeLearner } from "../../genmodels/ui/widgets/learners.js";
import {
  backward,
  forward,
  network,
  outputOf,
  pushes,
} from "../../genmodels/ui/widgets/network.js";

test("gradients are those of finite differences", () => {
  const net = network([2, 5, 4, 3], uniform(0));
  net.weights = net.weights.map((weight, index) => weight + 0.1 * Math.sin(index)); // biases too
  const input = Float64Array.from([0.3, -1.2, 0.8, 0.5]);
  const loss = () => outputOf(net, input).reduce((sum, y) => sum + y ** 3, 0);
  const layers = forward(net, input);
  const inputs = backward(net, layers, layers.at(-1).map((y) => 3 * y ** 2));
  const found = [...net.gradient, ...inputs];
  const expected = [net.weights, input].flatMap((values) =>
    Array.from(values, (kept, index) => {
      const at = (value) => ((values[index] = value), loss());
      const slope = (at(kept + 1e-5) - at(kept - 1e-5)) / 2e-5;
      values[index] = kept;
      return slope;
    }),
  );
  assert.equal(found.length, expected.length);
  found.forEach((slope, index) => {
    assert.ok(Math.abs(slope - expected[index]) <= 1e-6 + 1e-5 * Math.abs(expected[index]));
  });
  assert.ok(found.some((slope) => Math.abs(slope) > 1e-2));
});

test("pushes lead uphill and leave no gradient", () => {
  const net = network([2, 16, 1], uniform(0));
  const points = normals(40, uniform(1));
  const push = pushes(net, points, true);
  const moved = points.map((value, index) => value + 1e-3 * push[index]);
  const before = outputOf(net, points);
  assert.ok(outputOf(net, moved).every((logit, index) => logit > before[index]));
  assert.ok(!net.gradient.some(Boolean));
});

test("training covers a ring, and the preset collapses", () => {
  const { modes } = DISTRIBUTIONS.ring;
  const after = (rate_d, rate_g) => {
    const learner = ganLearner(0);
    const points = pointsOf(DISTRIBUTIONS.ring, 1024, uniform(1));
    for (let step = 0; step < 3000; step++) learner.step(points, { rate_d, rate_g });
    return covered(modes, learner.made());
  };
  assert.ok(after(0.001, 0.001) >= 6);
  assert.ok(after(0.0002, 0.005) <= 3);
});

test("a VAE reconstructs two moons unless its KL term is heavy", () => {
  const off = (kl_weight) => {
    const learner = vaeLearner(0, 2);
    const points = pointsOf(DISTRIBUTIONS.moons, 1024, uniform(1));
    const settings = { rate: 0.002, variance: 0.03, kl_weight };
    for (let step = 0; step < 1000; step++) learner.step(points, settings);
    return Number(learner.facts(points.subarray(0, 400), [], settings)[0][1]);
  };
  assert.ok(off(1) < 0.2);
  assert.ok(off(30) > 0.5); // the posterior says nothing
});
