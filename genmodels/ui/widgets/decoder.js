// A model's decoder in the browser: latents to pictures in a worker, without the server.
//
//   const decoder = openDecoder(data.decoder);          // routes.decoder(run) in Python
//   const forget = decoder.onChange(() => paint(decoder.state, decoder.loaded, decoder.total));
//   const frames = await decoder.decode(latents, "drag");  // ImageData, one per latent; or null
//   decoder.close();
//
// `state` is "loading" (`loaded` of `total` bytes), "ready" or "failed" (`failure` says why, in a
// sentence): what the server sends serves then.

/**
 * The same as `Decoder` of decoder.py.
 *
 * @typedef {{
 *   runtime: string, wasm: string, model: string,
 *   latentDim: number, channels: number, height: number, width: number,
 * }} Options
 *
 * @typedef {ReturnType<typeof openDecoder>} Decoder
 */

/** @type {Map<string, ReturnType<typeof startDecoder> & { handles: number }>} by model */
const decoders = new Map();

/**
 * A handle on the decoder of `model`: handles of one page share a worker, which ends with the last
 * of them. In each channel of a handle the newest request counts: `decode` gives null, uncomputed,
 * for one that was overtaken, closed or failed. A large request holds up what comes after it.
 *
 * @param {Options} options
 */
export function openDecoder(options) {
  const { model } = options;
  if (!decoders.has(model)) decoders.set(model, { ...startDecoder(options), handles: 0 });
  const decoder = decoders.get(model);
  decoder.handles += 1;
  const handle = {};
  const listeners = new Set();
  let closed = false;

  return {
    get state() { return decoder.progress.state; },
    get loaded() { return decoder.progress.loaded; },
    get total() { return decoder.progress.total; },
    get failure() { return decoder.progress.failure; },
    /**
     * Calls `listener` after each change of the above; gives what ends that.
     *
     * @param {() => void} listener
     */
    onChange(listener) {
      listeners.add(listener);
      decoder.listeners.add(listener);
      return () => decoder.listeners.delete(listener);
    },
    /**
     * @param {ArrayLike<number>} latents n times latentDim numbers
     * @param {string} channel
     * @returns {Promise<ImageData[] | null>}
     */
    decode(latents, channel) {
      return closed ? Promise.resolve(null) : decoder.ask(handle, channel, latents);
    },
    close() {
      if (closed) return;
      closed = true;
      for (const listener of listeners) decoder.listeners.delete(listener);
      decoder.forget(handle);
      decoder.handles -= 1;
      if (decoder.handles) return;
      decoder.end();
      decoders.delete(model);
    },
  };
}

/** @param {Options} options */
function startDecoder({ runtime, wasm, model, latentDim, channels, height, width }) {
  const progress = { state: "loading", loaded: 0, total: 0, failure: "" };
  const listeners = new Set();
  let waiting = []; // In order, at most one of each channel; the worker gets the next when free.
  let running = null;
  /** @type {Worker | null} */
  let worker = null;

  function change(news) {
    Object.assign(progress, news);
    for (const listener of [...listeners]) listener();
  }
  function drop(unwanted) {
    for (const request of waiting.filter(unwanted)) request.resolve(null);
    waiting = waiting.filter((request) => !unwanted(request));
  }
  function end() {
    worker?.terminate();
    worker = null;
    running?.resolve(null);
    running = null;
    drop(() => true);
  }
  function fail(failure) {
    end();
    change({ state: "failed", failure });
  }
  function next() {
    if (running || progress.state !== "ready" || !waiting.length) return;
    running = waiting.shift();
    worker.postMessage({ latents: running.latents });
  }
  function hear({ data }) {
    if (data.failure) return fail(data.failure);
    if (data.pixels) {
      const size = height * width * 4;
      const frames = Array.from({ length: data.pixels.length / size }, (_, index) => {
        const pixels = data.pixels.subarray(index * size, (index + 1) * size);
        return new ImageData(pixels, width, height);
      });
      running.resolve(frames);
      running = null;
    } else {
      change(data);
    }
    next();
  }
  function ask(handle, channel, latents) {
    return new Promise((resolve) => {
      if (progress.state === "failed") return resolve(null);
      const request = { handle, channel, latents: Float32Array.from(latents), resolve };
      const place = waiting.findIndex((old) => old.handle === handle && old.channel === channel);
      if (place < 0) waiting.push(request);
      else waiting.splice(place, 1, request)[0].resolve(null);
      next();
    });
  }

  if (typeof WebAssembly === "undefined") {
    fail("This browser has no WebAssembly.");
  } else {
    const source = new Blob([`(${decoderWorker})()`], { type: "text/javascript" });
    const address = URL.createObjectURL(source);
    worker = new Worker(address, { type: "module" });
    worker.onmessage = hear;
    worker.onerror = (event) => {
      event.preventDefault(); // It is said in place; not in the console as well.
      fail("The decoder stopped in this browser.");
    };
    // An address of its own kind, blob:, has no path to be relative to.
    const absolute = (path) => new URL(path, document.baseURI).href;
    const shape = [latentDim, channels, height * width];
    const [folder, large, graph] = [runtime, wasm, model].map(absolute);
    worker.postMessage({ runtime: folder, wasm: large, model: graph, shape });
  }
  return { progress, listeners, ask, end, forget: (handle) => drop((old) => old.handle === handle) };
}

/** What runs in the worker; it sees nothing of this file. */
function decoderWorker() {
  let session, Tensor, shape;

  /** Whole files, all at once, as bytes; throws a sentence. */
  async function download(addresses) {
    const parts = addresses.map(() => ({ loaded: 0, total: 0 }));
    async function one(address, part) {
      const answer = await fetch(address);
      if (!answer.ok) throw `The decoder could not be loaded: the server answered ${answer.status}.`;
      part.total = lengthOf(answer.headers);
      const chunks = [];
      for (const reader = answer.body.getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        chunks.push(value);
        part.loaded += value.length;
        if (parts.every(({ total }) => total)) tell();
      }
      if (part.total && part.loaded !== part.total) throw "The decoder was cut off while it loaded.";
      // Some servers unpack .gz files on the way, so the name says nothing.
      const packed = chunks[0]?.[0] === 0x1f && chunks[0][1] === 0x8b;
      const content = new Blob(chunks).stream();
      const whole = packed ? content.pipeThrough(new DecompressionStream("gzip")) : content;
      return new Uint8Array(await new Response(whole).arrayBuffer());
    }
    /** Bytes that will arrive; 0 where nobody says. Content-Length counts compressed ones. */
    function lengthOf(headers) {
      const plain = headers.has("Content-Encoding") ? null : headers.get("Content-Length");
      return Number(headers.get("X-Full-Length") ?? plain);
    }
    function tell() {
      const sum = (name) => parts.reduce((before, part) => before + part[name], 0);
      postMessage({ loaded: sum("loaded"), total: sum("total") });
    }
    return Promise.all(addresses.map((address, index) => one(address, parts[index]))).catch((error) => {
      throw typeof error === "string" ? error : "The decoder could not be loaded from the server.";
    });
  }

  async function start({ runtime, wasm, model }) {
    const [wasmBinary, graph] = await download([wasm, model]);
    const ort = await import(`${runtime}ort.wasm.min.js`);
    const wasmPaths = { mjs: `${runtime}ort-wasm-simd-threaded.js` };
    Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary, wasmPaths });
    ort.env.logLevel = "error";
    session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
    ({ Tensor } = ort);
    postMessage({ state: "ready" });
  }

  async function decode(latents) {
    const [latentDim, channels, area] = shape;
    const count = latents.length / latentDim;
    const { images } = await session.run({ latents: new Tensor("float32", latents, [count, latentDim]) });
    const values = images.data; // [count, channels, area]
    const pixels = new Uint8ClampedArray(count * area * 4); // It rounds as NumPy's rint does.
    for (let image = 0; image < count; image += 1) {
      for (let colour = 0; colour < 3; colour += 1) {
        const from = (image * channels + Math.min(colour, channels - 1)) * area;
        const to = image * area * 4 + colour;
        for (let index = 0; index < area; index += 1) {
          pixels[to + index * 4] = Math.fround(values[from + index] * 255);
        }
      }
    }
    for (let index = 3; index < pixels.length; index += 4) pixels[index] = 255;
    images.dispose();
    /** @type {any} */ (globalThis).postMessage({ pixels }, [pixels.buffer]);
  }

  onmessage = ({ data }) => {
    shape ??= data.shape;
    const work = data.latents ? decode(data.latents) : start(data);
    work.catch((error) => {
      const failure = typeof error === "string" ? error : "The decoder does not run in this browser.";
      postMessage({ failure });
    });
  };
}

/**
 * Says in `node` what a person should know of a decoder: how far it is, or that it failed.
 *
 * @param {HTMLElement} node
 * @param {Decoder | null} decoder
 */
export function tellDecoder(node, decoder) {
  const { state, loaded, total, failure } = decoder ?? {};
  const part = total ? ` ${Math.round((100 * loaded) / total)} %` : "";
  node.textContent = {
    loading: `Loading the decoder into the browser${part} …`,
    failed: `${failure} You see ready-made pictures instead.`,
  }[state] ?? "";
}
