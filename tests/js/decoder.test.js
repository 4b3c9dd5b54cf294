// The decoder's queue, with a worker that answers when it is told to.

import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { openDecoder } from "../../genmodels/ui/widgets/decoder.js";

class FakeWorker {
  constructor() {
    Object.assign(this, { heard: [], ended: false });
    workers.push(this);
  }
  postMessage(message) {
    this.heard.push(message);
  }
  terminate() {
    this.ended = true;
  }
  say(data) {
    this.onmessage({ data });
  }
  /** Answers the latents it was asked for last: a pixel each, whose red is the first number. */
  answer() {
    const { latents } = this.heard.at(-1);
    const pixels = Array.from({ length: latents.length / 2 }, (_, at) => [latents[2 * at], 0, 0, 255]);
    this.say({ pixels: Uint8ClampedArray.from(pixels.flat()) });
  }
}
class FakeImageData {
  constructor(data, width, height) {
    Object.assign(this, { data, width, height });
  }
}

let workers = [];
Object.assign(globalThis, {
  Worker: FakeWorker, ImageData: FakeImageData, document: { baseURI: "http://host/some/where/" },
});
const OPTIONS = {
  runtime: "ort/", wasm: "ort/ort.wasm", model: "model.onnx", latentDim: 2, channels: 1, height: 1, width: 1,
};
const latents = (first) => [first, 0];
const reds = (frames) => frames?.map(({ data }) => data[0]) ?? null;
const asked = (worker) => worker.heard.filter((message) => message.latents).map((message) => message.latents[0]);

beforeEach(() => { workers = []; });

test("the worker is told whole addresses, and handles of one model share it to the last", () => {
  const [one, other] = [openDecoder(OPTIONS), openDecoder(OPTIONS)];
  const third = openDecoder({ ...OPTIONS, model: "other.onnx" });
  assert.equal(workers.length, 2);
  const [{ runtime, wasm, model, shape }] = workers[0].heard;
  assert.deepEqual([runtime, wasm, model], ["ort/", "ort/ort.wasm", "model.onnx"].map((path) => `http://host/some/where/${path}`));
  assert.deepEqual(shape, [2, 1, 1]);
  one.close();
  one.close();
  assert.ok(!workers[0].ended);
  other.close();
  third.close();
  assert.ok(workers.every(({ ended }) => ended));
  openDecoder(OPTIONS).close();
  assert.equal(workers.length, 3);
});

test("requests wait while it loads; of each channel the newest counts, one at a time is under way", async () => {
  const [map, player] = [openDecoder(OPTIONS), openDecoder(OPTIONS)];
  const [worker] = workers;
  const heard = [];
  map.onChange(() => heard.push([map.state, map.loaded, map.total]));
  const first = map.decode(latents(1), "look");
  const second = map.decode(latents(2), "look");
  const tiles = map.decode([3, 0, 4, 0], "tiles");
  const walk = player.decode(latents(5), "look");
  worker.say({ loaded: 5, total: 9 });
  assert.deepEqual(asked(worker), []);
  worker.say({ state: "ready" });
  assert.deepEqual(heard, [["loading", 5, 9], ["ready", 5, 9]]);
  assert.deepEqual(asked(worker), [2]);
  const third = map.decode(latents(6), "look"); // 2 is under way already
  worker.answer();
  worker.answer();
  worker.answer();
  worker.answer();
  assert.deepEqual(asked(worker), [2, 3, 5, 6]);
  const drawn = await Promise.all([first, second, tiles, walk, third]);
  assert.deepEqual(drawn.map(reds), [null, [2], [3, 4], [5], [6]]);
  map.close();
  player.close();
});

test("a closed handle gets nothing, and the others what they asked for", async () => {
  const [one, other] = [openDecoder(OPTIONS), openDecoder(OPTIONS)];
  const [worker] = workers;
  worker.say({ state: "ready" });
  const running = other.decode(latents(1), "look");
  const dropped = one.decode(latents(2), "look");
  const kept = other.decode(latents(3), "look");
  one.close();
  assert.equal(await one.decode(latents(4), "look"), null);
  worker.answer();
  worker.answer();
  assert.deepEqual((await Promise.all([running, dropped, kept])).map(reds), [[1], null, [3]]);
  const left = other.decode(latents(5), "look");
  other.close();
  assert.equal(await left, null);
});

test("a failure is said, and ends all that waits", async () => {
  const decoder = openDecoder(OPTIONS);
  const [worker] = workers;
  const waiting = decoder.decode(latents(1), "look");
  worker.say({ failure: "The decoder could not be loaded: the server answered 404." });
  assert.equal(await waiting, null);
  assert.equal(await decoder.decode(latents(2), "look"), null);
  assert.deepEqual([decoder.state, decoder.failure], ["failed", "The decoder could not be loaded: the server answered 404."]);
  assert.ok(worker.ended);
  decoder.close();

  const another = openDecoder(OPTIONS);
  let prevented = false;
  workers[1].onerror({ preventDefault: () => { prevented = true; } });
  assert.deepEqual([another.state, prevented], ["failed", true]);
  another.close();
});
