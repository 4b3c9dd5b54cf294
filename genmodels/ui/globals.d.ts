/** What is in the window besides a browser's own. */
interface Window {
  /** Of page.js: where the handles of a page stand, as its entry of the history keeps it. */
  genmodelsLook?: { read(): string | null; keep(text: string): void };
  /** plotly.js, once it is loaded. */
  Plotly?: any;
}
