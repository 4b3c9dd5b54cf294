// The Plotly chart above the samples: loading it, its theme, and a cursor that follows the slider.

import { dragSideways } from "./controls.js";
import { el } from "./widget.js";

const HEIGHT = 380;
const CONFIG = {
  displaylogo: false,
  modeBarButtons: [["zoom2d", "pan2d"], ["resetScale2d"]], // saved by buttons below it
  // Nothing of the chart goes to another host; plotly.js 4 offers that by default.
  plotlyServerURL: "",
  showSendToCloud: false,
  showLink: false,
};

/** @type {Promise<any> | undefined} plotly.js */
let loading;

/** plotly.js puts itself into `window`; once per page, and again only after it failed. */
function loadPlotly(url) {
  loading ??= new Promise((resolve, reject) => {
    const script = el("script", { src: url });
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      loading = undefined;
      script.remove();
      reject(new Error(url));
    };
    document.head.append(script);
  });
  return loading;
}

/** What a figure leaves open follows Streamlit's theme. */
function themeTemplate(place) {
  const style = getComputedStyle(place);
  const get = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const text = get("text-color");
  const line = get("border-color");
  const axis = {
    gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, zeroline: false,
  };
  return {
    layout: {
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { color: text, family: get("font"), size: 13 },
      colorway: get("chart-categorical-colors").split(/,(?![^(]*\))/),
      hoverlabel: { bgcolor: get("secondary-background-color"), bordercolor: line, font: { color: text } },
      margin: { l: 56, r: 16, t: 32, b: 48 },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      modebar: { bgcolor: "transparent", color: text, activecolor: get("primary-color") },
      xaxis: { ...axis, showspikes: false }, // Plotly draws them white on a dark page
      yaxis: axis,
      dragmode: false, // dragging moves the cursor, and a finger scrolls the page
    },
  };
}

/** As it is printed: dark on white, whatever the page's theme, with room for the legend. */
const PAPER = { width: 960, height: 540, paper_bgcolor: "#fff", plot_bgcolor: "#fff" };
const INK = { gridcolor: "#ddd", linecolor: "#444", zeroline: false, automargin: true };
const PRINTED = {
  layout: { font: { color: "#222", family: "sans-serif", size: 14 }, xaxis: INK, yaxis: INK },
};

/** A chart in `node`; `picked` hears the epoch at which somebody clicked or dragged. */
export function epochChart(node, picked) {
  let plotly = null;
  let epoch = NaN;
  let waiting = null; // what to draw once the chart is to be seen
  let cursors = []; // [index of the shape, name of its axis]
  let frame = 0;

  /** Says whether there is a chart now. */
  async function draw(data, place) {
    plotly = await loadPlotly(data.plotly).catch(() => null);
    waiting = plotly && [data, place];
    if (node.offsetWidth) await paint();
    return plotly !== null;
  }

  /** In a closed tab nothing can be measured, so that has to wait. */
  async function paint() {
    if (!waiting) return;
    const [{ figure, log }, place] = waiting;
    waiting = null;
    const { data, layout } = structuredClone(figure); // Plotly writes into what it is given
    const shapes = layout.shapes ?? [];
    const axes = Object.keys(layout).filter((name) => /^xaxis\d*$/.test(name));
    const colour = getComputedStyle(place).getPropertyValue("--st-primary-color").trim();
    cursors = (axes.length ? axes : ["xaxis"]).map((axis, index) => [shapes.length + index, axis]);
    const lines = cursors.map(([, axis]) => ({
      type: "line", x0: 0, x1: 0, y0: 0, y1: 1, visible: false, line: { color: colour, width: 2 },
      // In shares of the axis: in its units the cursor would stretch the axis as it moves.
      xref: `${axis.replace("axis", "")} domain`,
      yref: `${layout[axis]?.anchor ?? axis.replace("xaxis", "y")} domain`,
    }));
    const themed = {
      ...layout, shapes: [...shapes, ...lines], template: themeTemplate(place),
      autosize: true, height: layout.height ?? HEIGHT, uirevision: String(log),
    };
    await plotly.react(node, data, themed, CONFIG);
    node.removeAllListeners?.("plotly_afterplot");
    node.on("plotly_afterplot", moveCursor); // zoomed or resized
    moveCursor();
  }

  function moveCursor() {
    const change = {};
    for (const [index, name] of cursors) {
      const axis = node._fullLayout?.[name];
      const shape = node.layout?.shapes?.[index];
      if (!axis || !shape) return;
      const x = axis.d2p(epoch) / axis._length;
      const visible = x >= -1e-6 && x <= 1 + 1e-6;
      if (visible && shape.x0 !== x) for (const end of ["x0", "x1"]) change[`shapes[${index}].${end}`] = x;
      if (shape.visible !== visible) change[`shapes[${index}].visible`] = visible;
    }
    if (Object.keys(change).length) plotly.relayout(node, change);
  }

  /** The epoch under the pointer; null outside of the axes. */
  function epochAt(event) {
    const box = node.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    for (const [, name] of cursors) {
      const axis = node._fullLayout?.[name];
      const beside = node._fullLayout?.[axis?.anchor?.replace("y", "yaxis")];
      const within = (a, at) => a && at >= a._offset && at <= a._offset + a._length;
      if (within(axis, x) && within(beside, y)) return axis.p2d(x - axis._offset);
    }
    return null;
  }

  const stopDragging = dragSideways(node, {
    // While the zoom or the pan button is pressed, dragging does that.
    starts: (event) =>
      node._fullLayout?.dragmode === false &&
      !/** @type {Element} */ (event.target).closest(".modebar, .legend") &&
      epochAt(event) !== null,
    seek(event) {
      const epoch = epochAt(event);
      if (epoch !== null) picked(epoch);
    },
  });

  const watcher = new ResizeObserver(() => {
    if (!node.offsetWidth) return;
    if (waiting) paint();
    else if (node._fullLayout) plotly.Plots.resize(node);
  });
  watcher.observe(node);

  /** Saves what is seen, without the cursor, as "svg" or "png". */
  async function save(format, { figure, name }) {
    const { data, layout } = structuredClone(figure);
    for (const axis of ["xaxis", "yaxis"]) { // as it is zoomed
      const { range, autorange } = node._fullLayout?.[axis] ?? {};
      if (range && !autorange) layout[axis] = { ...layout[axis], range: [...range] };
    }
    // Hidden by a click on the legend.
    node.data?.forEach((trace, index) => (data[index].visible = trace.visible ?? true));
    const options = { format, filename: name, width: PAPER.width, height: PAPER.height };
    const printed = { ...layout, ...PAPER, template: PRINTED };
    await plotly.downloadImage({ data, layout: printed }, { ...options, scale: format === "png" ? 2 : 1 });
  }

  return {
    draw,
    save,
    moveTo(goal) {
      epoch = goal;
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(moveCursor);
    },
    remove() {
      cancelAnimationFrame(frame);
      watcher.disconnect();
      waiting = null;
      stopDragging();
      plotly?.purge(node);
    },
  };
}
