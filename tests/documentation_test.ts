/** What `deno doc` knows of the methods that people call, beyond its own lint. */

import { assertEquals } from "@std/assert";
import { listUnrunIn, ROOT } from "./pages.ts";
import { spawnDeno } from "./spawn.ts";
import { TemporaryDirectory } from "./temporary_directory.ts";

/** Methods with an example; each store's class and its constructor have one. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  SessionManager: [
    "commit",
    "consumeFormToken",
    "handler",
    "of",
    "open",
    "revokeUser",
    "run",
    "sessionsOf",
  ],
  Session: ["flash", "regenerate", "setLifetime", "setUser"],
  SessionStore: ["check", "deleteOldSessions"],
};

interface Documented {
  readonly name: string;
  readonly jsDoc?: {
    readonly tags?: readonly {
      readonly kind: string;
      readonly name?: string;
    }[];
  };
}

interface Callable extends Documented {
  readonly params?: readonly unknown[];
  readonly functionDef?: { readonly params: readonly unknown[] };
}

interface Declaration extends Callable {
  readonly kind: string;
  readonly def: {
    readonly isAbstract?: boolean;
    readonly params?: readonly unknown[];
    readonly constructors?: readonly Callable[];
    readonly methods?: readonly Callable[];
  };
}

const { code, stdout, stderr } = await spawnDeno(["doc", "--json", "mod.ts"])
  .end();
assertEquals(code, 0, stderr);
const [{ symbols }] = Object.values(JSON.parse(stdout).nodes) as [
  { symbols: { name: string; declarations: Declaration[] }[] },
];
const declarations = symbols.flatMap(({ name, declarations }) =>
  declarations.map((declaration) => ({ ...declaration, name }))
);

function count({ jsDoc }: Documented, kind: string): number {
  return (jsDoc?.tags ?? []).filter((tag) => tag.kind === kind).length;
}

Deno.test("every function, and every method of the manager and the session, documents each parameter", () => {
  const lacking = declarations.flatMap((declaration) => {
    const { name, kind, def } = declaration;
    if (kind === "function") {
      const { params = [] } = def;
      return count(declaration, "param") < params.length ? [name] : [];
    }
    const isHere = name === "SessionManager" || name === "Session";
    const members = [
      ...(def.constructors ?? []),
      ...isHere ? def.methods ?? [] : [],
    ];
    return members.filter((member) => {
      const params = member.functionDef?.params ?? member.params ?? [];
      // Of an overloaded method the last one is its body.
      return member.jsDoc !== undefined &&
        count(member, "param") < params.length;
    }).map((member) => `${name}.${member.name}`);
  });
  assertEquals(lacking, []);
});

Deno.test("the methods that people call have an example, and so have each store that is ready to use and its constructor", () => {
  const lacking = declarations.flatMap((declaration) => {
    const { name, def } = declaration;
    const wanted = EXAMPLES[name] ?? [];
    const lacking = wanted.filter((method) =>
      !(def.methods ?? []).some((one) =>
        one.name === method && count(one, "example") > 0
      )
    ).map((method) => `${name}.${method}`);
    const isStore = /SessionStore$/.test(name) &&
      declaration.kind === "class" && def.isAbstract !== true;
    const [constructor] = def.constructors ?? [];
    for (const one of isStore ? [declaration, constructor!] : []) {
      if (count(one, "example") === 0) lacking.push(`${name}: ${one.name}`);
    }
    return lacking;
  });
  assertEquals(lacking, []);
});

Deno.test("the examples of stores that need a server have the right types", async () => {
  using directory = new TemporaryDirectory();
  const files = ["redis", "postgres"].flatMap((name) => {
    const source = Deno.readTextFileSync(`${ROOT}src/engines/${name}.ts`);
    const examples = listUnrunIn(source.replace(/^ *\* ?/gm, ""));
    assertEquals(
      examples.length,
      2,
      "one of the class, one of its constructor",
    );
    return examples.map(({ code }, at) =>
      [`${name}_${at}.ts`, `${code}\nexport {};\n`] as const
    );
  });
  directory.writeFiles(Object.fromEntries(files));
  const { code, stderr } = await spawnDeno([
    "check",
    `--config=${ROOT}deno.json`,
    ...files.map(([path]) => directory.join(path)),
  ]).end();
  assertEquals(code, 0, stderr);
});
