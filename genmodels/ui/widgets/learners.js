// A GAN and a VAE that learn points of the plane: what they do in a step, and how far they are.

import { covered, normals, shareNear, uniform } from "./distributions.js";
import { average, sigmoid } from "./formulas.js";
import {
  discriminatorStep,
  generatorStep,
  klTerms,
  network,
  outputOf,
  pushes,
  split,
  vaeStep,
} from "./network.js";

const BATCH = 64;
export const SHOWN = 200;
const HIDDEN = [32, 32];
const SAID = 2; // digits behind the point

export const number = (value) => value.toFixed(SAID).replace("-", "−");
const percent = (value) => `${Math.round(100 * value)} %`;

/** Points drawn at random, with repetition. */
function batch(points, random) {
  const drawn = new Float64Array(2 * BATCH);
  for (let index = 0; index < drawn.length; index += 2) {
    const from = 2 * Math.floor((random() * points.length) / 2);
    drawn[index] = points[from];
    drawn[index + 1] = points[from + 1];
  }
  return drawn;
}

/** How well made points stand for real ones, in words. */
function likeness(made, real, modes) {
  const facts = [
    ["Made points near real ones", percent(shareNear(made, real))],
    ["Real points near made ones", percent(shareNear(real, made))],
  ];
  if (modes.length) facts.unshift(["Modes covered", `${covered(modes, made)} of ${modes.length}`]);
  return facts;
}

export function ganLearner(seed) {
  const random = uniform(seed);
  const gan = { generator: network([2, ...HIDDEN, 2], random), discriminator: network([2, ...HIDDEN, 1], random) };
  const latents = normals(2 * SHOWN, random); // always the same: one can follow a point
  const noise = () => normals(2 * BATCH, random);
  const chances = (points) => outputOf(gan.discriminator, points).map(sigmoid);
  const opinion = (real) => [average(chances(real)), average(chances(outputOf(gan.generator, latents)))];

  const learner = {
    curves: ["D", "G"],
    steps: 0,
    chances,
    made: () => outputOf(gan.generator, latents),
    pushes: (points, settings) => pushes(gan.discriminator, points, settings.saturating),
    discriminate: (points, settings) => discriminatorStep(gan, batch(points, random), noise(), settings.rate_d),
    generate: (_, settings) => generatorStep(gan, noise(), settings.rate_g, settings.saturating),
    step(points, settings) {
      learner.steps += 1;
      return [learner.discriminate(points, settings), learner.generate(points, settings)];
    },
    /** One move, and a sentence about it. */
    explain(move, real, points, settings) {
      const before = opinion(real);
      const losses = learner[move](points, settings);
      const [ofReal, ofFake] = opinion(real);
      const words = {
        discriminate: `D learnt: it now gives real points ${number(ofReal)} and generated ones ${number(ofFake)}.`,
        generate: `G learnt: D now gives its points ${number(ofFake)}, before it was ${number(before[1])}.`,
        step: `D learnt, then G: D now gives real points ${number(ofReal)} and generated ones ${number(ofFake)}.`,
      };
      return [words[move], losses];
    },
    facts(real, modes) {
      const [ofReal, ofFake] = opinion(real);
      return [
        ["D(x), mean on real points", number(ofReal)],
        ["D(G(z)), mean on generated ones", number(ofFake)],
        ...likeness(learner.made(), real, modes),
      ];
    },
    now(real) {
      const [ofReal, ofFake] = opinion(real);
      return `D gives real points ${number(ofReal)} and generated ones ${number(ofFake)}.`;
    },
  };
  return learner;
}

export function vaeLearner(seed, count) {
  const random = uniform(seed);
  const vae = {
    encoder: network([2, ...HIDDEN, 2 * count], random), decoder: network([count, ...HIDDEN, 2], random),
  };
  const latents = normals(count * SHOWN, random);
  const noise = normals(2 * SHOWN, random);

  const posteriors = (points) => split(outputOf(vae.encoder, points), count);
  const decode = (places) => outputOf(vae.decoder, places);
  const off = (real) => {
    const decoded = decode(posteriors(real)[0]);
    const squares = real.map((value, index) => (value - decoded[index]) ** 2);
    return Math.sqrt(2 * average(squares));
  };
  const kl = (real) => average(klTerms(...posteriors(real))) * count;
  const learner = {
    curves: ["Reconstruction", "KL"],
    steps: 0,
    count,
    posteriors,
    decode,
    /** Draws from p(x): decoded draws from the prior, with the decoder's noise. */
    made: ({ variance }) => decode(latents).map((value, index) => value + Math.sqrt(variance) * noise[index]),
    step(points, settings) {
      learner.steps += 1;
      const drawn = normals(BATCH * count, random);
      const { rate, variance, kl_weight: klWeight } = settings;
      const losses = vaeStep(vae, batch(points, random), drawn, { rate, variance, klWeight });
      return [losses.reconstruction, losses.kl];
    },
    explain(_, real, points, settings) {
      const before = off(real);
      const losses = learner.step(points, settings);
      return [
        `The VAE learnt: reconstructions are now ${number(off(real))} off their points, before it was ` +
          `${number(before)}. Posteriors are ${number(kl(real))} nats from the prior.`,
        losses,
      ];
    },
    facts: (real, modes, settings) => [
      ["Reconstructions off by (root mean square)", number(off(real))],
      ["KL, nats", number(kl(real))],
      ...likeness(learner.made(settings), real, modes),
    ],
    now: (real) => `The VAE's reconstructions are ${number(off(real))} off their points.`,
  };
  return learner;
}
