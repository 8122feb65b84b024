/** The files of `docs/deploy.md` for Docker and Kubernetes, which are not run. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DockerfileParser } from "npm:dockerfile-ast@0.7.1";
// @ts-types="npm:@types/js-yaml@4.0.9"
import { loadAll } from "npm:js-yaml@4.1.0";
import { listUnrun } from "../pages.ts";
import { listBlocks } from "./page.ts";

const USER = 10001;
const PORT = 8000;
const DATA = "/data";
const [server] = listUnrun("docs/deploy.md");

const [compose = "", kubernetes = ""] = listBlocks("yaml");

Deno.test("the Dockerfile on the page runs the server as its own user, with its permissions", () => {
  const [text = ""] = listBlocks("dockerfile");
  const file = DockerfileParser.parse(text);
  const found = Object.fromEntries(
    file.getInstructions().map((instruction) => [
      instruction.getInstruction(),
      instruction.getArgumentsContent(),
    ]),
  );
  assertEquals(Object.keys(found), [
    ...["FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE"],
    ...["STOPSIGNAL", "CMD"],
  ]);
  assertEquals(found["USER"], `${USER}:${USER}`);
  assertEquals(found["VOLUME"], DATA);
  assertEquals(found["EXPOSE"], `${PORT}`);
  const command: string[] = JSON.parse(found["CMD"]!);
  assert(command.includes(`--allow-net=0.0.0.0:${PORT}`));
  assert(command.includes(`--allow-write=${DATA}`));
  const [, name] = /^SESSIONS=(.*)$/.exec(found["ENV"]!)!;
  assert(name!.startsWith(`${DATA}/`));
  assertStringIncludes(server!.code, `Deno.env.get("SESSIONS")`);
  assertStringIncludes(server!.code, `port = "${PORT}"`);
});

Deno.test("compose.yaml on the page has one volume, user and path in both services", () => {
  const [{ services, volumes }] = loadAll(compose) as [
    {
      services: Record<string, {
        read_only: boolean;
        user: string;
        volumes: string[];
        command?: string[];
      }>;
      volumes: Record<string, unknown>;
    },
  ];
  assertEquals(Object.keys(services), ["app", "cleanup"]);
  assertEquals(Object.keys(volumes), ["sessions"]);
  for (const service of Object.values(services)) {
    assert(service.read_only);
    assertEquals(service.user, `${USER}:${USER}`);
    assertEquals(service.volumes, [`sessions:${DATA}`]);
  }
  assertStringIncludes(services["cleanup"]!.command![0]!, "/data/sessions");
});

Deno.test("the Kubernetes objects on the page fit together and the server", () => {
  // deno-lint-ignore no-explicit-any
  const [deployment, claim] = loadAll(kubernetes) as any[];
  assertEquals([deployment.kind, claim.kind], [
    "Deployment",
    "PersistentVolumeClaim",
  ]);
  const { replicas, strategy, selector, template } = deployment.spec;
  assertEquals([replicas, strategy.type], [1, "Recreate"]);
  assertEquals(selector.matchLabels, template.metadata.labels);
  const { securityContext, containers, volumes } = template.spec;
  assertEquals(securityContext.runAsUser, USER);
  assertEquals(securityContext.fsGroupChangePolicy, "OnRootMismatch");
  const [container] = containers;
  assertEquals(
    container.volumeMounts.map(({ name }: { name: string }) => name),
    volumes.map(({ name }: { name: string }) => name),
  );
  assertEquals(
    volumes[0].persistentVolumeClaim.claimName,
    claim.metadata.name,
  );
  assertEquals(container.ports, [{ containerPort: PORT }]);
  for (const probe of ["livenessProbe", "readinessProbe"]) {
    const { path, port } = container[probe].httpGet;
    assertEquals(port, PORT);
    assertStringIncludes(server!.code, `pathname === "${path}"`);
  }
});
