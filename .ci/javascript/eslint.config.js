import js from "@eslint/js";
import globals from "globals";

const MARKUP = "Text must not become markup: textContent, append and replaceChildren leave it text.";
const PARSED = [
  "innerHTML", "outerHTML", "srcdoc", "insertAdjacentHTML", "setHTMLUnsafe", "parseHTMLUnsafe",
  "createContextualFragment", "parseFromString",
];
const WRITTEN = ["write", "writeln"];

export default [
  { ignores: ["**/vendor/"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "complexity": ["error", { max: 15, variant: "modified" }], // 10 in Python, where && and ?. are not counted
      "consistent-return": "error",
      "eqeqeq": "error",
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-restricted-properties": [
        "error",
        ...PARSED.map((property) => ({ property, message: MARKUP })),
        ...WRITTEN.map((property) => ({ object: "document", property, message: MARKUP })),
      ],
      "no-restricted-syntax": [
        "error",
        { selector: `ObjectExpression > Property[key.name=/^(${PARSED.join("|")})$/]`, message: MARKUP },
        {
          selector: "CallExpression[callee.property.name='setAttribute'][arguments.0.value=/^(on|style$|srcdoc$)/i]",
          message: "The page's policy refuses it: addEventListener, a class, or element.style.",
        },
      ],
      "no-script-url": "error",
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
