/**
 * Plugin of `deno lint`: rules of the house that neither a built-in rule nor the
 * graph of imports (`tests/house_test.ts`) can hold.
 *
 * @module
 */

/** Rooms that work on values only. */
const VALUES_ONLY = ["src/core/", "src/http/", "src/session/"];

const SYSTEM = new Set([
  "Deno",
  "process",
  "fetch",
  "localStorage",
  "setTimeout",
  "setInterval",
  "clearTimeout",
  "clearInterval",
  // Else `globalThis.Deno` passes.
  "globalThis",
]);

/** Files and directories that may use a computed import. */
const COMPUTED_IMPORTS = [".ci/", "bench/", "src/cli/driver.ts"];

const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    "no-enum": {
      create(context) {
        return {
          TSEnumDeclaration(node): void {
            context.report({ node, message: "This is an enum" });
          },
        };
      },
    },
    "no-default-export": {
      create(context) {
        const report = (node: Deno.lint.Node): void =>
          context.report({ node, message: "This is a default export" });
        return {
          ExportDefaultDeclaration: report,
          "ExportSpecifier[exported.name='default']": report,
          "ExportSpecifier[exported.value='default']": report,
          "ExportAllDeclaration[exported.name='default']": report,
        };
      },
    },
    "no-computed-import": {
      create(context) {
        if (isIn(COMPUTED_IMPORTS, context)) return {};
        return {
          ImportExpression(node): void {
            if (node.source.type === "Literal") return;
            context.report({ node, message: "This import is computed" });
          },
        };
      },
    },
    "values-only": {
      create(context) {
        if (!isIn(VALUES_ONLY, context)) return {};
        return {
          Identifier(node): void {
            if (!SYSTEM.has(node.name) || isMemberName(node)) return;
            const message = `This room works on values only: no ${node.name}`;
            context.report({ node, message });
          },
        };
      },
    },
  },
};

// deno-lint-ignore house/no-default-export -- Deno loads a plugin from it
export default plugin;

function isIn(
  places: readonly string[],
  { filename }: Deno.lint.RuleContext,
): boolean {
  const root = import.meta.dirname!.slice(0, -".ci".length);
  const path = filename.slice(root.length).replaceAll("\\", "/");
  return places.some((place) => path.startsWith(place));
}

/** Tells `a.fetch` and `{ fetch: a }` from the global `fetch`. */
function isMemberName(node: Deno.lint.Identifier): boolean {
  const { parent } = node;
  if ("computed" in parent && parent.computed) return false;
  return "key" in parent && parent.key === node ||
    "property" in parent && parent.property === node;
}
