// Against integrals and known values; tests/test_lessons.py holds them against the package's own.

import assert from "node:assert/strict";
import test from "node:test";

import {
  bestLogit,
  covarianceOf,
  frechetParts,
  gameValue,
  generatorLosses,
  integral,
  klParts,
  logMixture,
  logNormal,
  normal,
  reparametrised,
  sigmoid,
  softplus,
  squaredError,
} from "../../genmodels/ui/widgets/formulas.js";

const near = (found, expected, most = 1e-6) =>
  assert.ok(Math.abs(found - expected) <= most, `${found}, not ${expected}`);

test("the KL is its integral", () => {
  for (const [mean, deviation] of [[0, 1], [1.2, 0.5], [-0.3, 2]]) {
    const log = (x) => logNormal(x, mean, deviation);
    const kl = integral((x) => Math.exp(log(x)) * (log(x) - logNormal(x, 0, 1)), -30, 30, 20_000);
    near(klParts(mean, deviation).kl, kl);
  }
});

test("a mixture holds far from its bumps, where densities are 0", () => {
  near(integral((x) => Math.exp(logMixture([logNormal(x, -2, 0.5), logNormal(x, 2, 0.5)])), -9, 9), 1);
  assert.equal(normal(100, 0, 1), 0);
  near(logMixture([logNormal(100, 0, 1), logNormal(100, 0, 1)]), logNormal(100, 0, 1));
});

test("the game ends at minus log 4, where g is p", () => {
  const p = (x) => logNormal(x, 0.5, 0.8);
  near(gameValue(p, p, (x) => bestLogit(p(x), p(x)), -9, 9).value, -Math.log(4));
});

test("slopes are those of finite differences", () => {
  const slope = (f, x) => (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;
  for (const logit of [-6, -0.5, 3]) {
    const now = generatorLosses(logit);
    near(now.usualSlope, slope((x) => generatorLosses(x).usual, logit));
    near(now.saturatingSlope, slope((x) => generatorLosses(x).saturating, logit));
    near(slope(softplus, logit), sigmoid(logit));
  }
  const { toMean, toDeviation } = reparametrised(0.4, 0.7, -1.3, 2);
  near(toMean, slope((mean) => reparametrised(mean, 0.7, -1.3, 2).loss, 0.4));
  near(toDeviation, slope((deviation) => reparametrised(0.4, deviation, -1.3, 2).loss, 0.7));
});

test("no logit is out of range", () => {
  assert.equal(softplus(-1000), 0);
  assert.equal(softplus(1000), 1000);
});

test("an error is the variance and the miss", () => {
  const [values, weights] = [[0.1, 0.6, 0.95], [0.8, 0.3, 0.5]];
  const { mean, variance, miss, error } = squaredError(values, weights, 0.3);
  const direct = values.reduce((sum, value, at) => sum + weights[at] * (value - 0.3) ** 2, 0) / 1.6;
  near(error, direct);
  near(variance + miss, error);
  near(squaredError(values, weights, mean).error, variance);
});

test("the Fréchet distance of what is the same is 0, and in one dimension that of means and widths", () => {
  const covariance = covarianceOf(1.3, 0.6, 0.5);
  near(frechetParts([1, 2], covariance, [1, 2], covariance).distance, 0);
  const flat = (deviation) => [deviation ** 2, 0, 0];
  near(frechetParts([1, 0], flat(0.5), [3, 0], flat(2)).distance, 2 ** 2 + 1.5 ** 2);
});
