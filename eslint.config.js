import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: [".venv/", "cache/", "data/", "node_modules/", "runs/"] },
  js.configs.recommended,
  { languageOptions: { globals: globals.browser } },
  { files: ["eslint.config.js", "tests/**"], languageOptions: { globals: globals.node } },
];
