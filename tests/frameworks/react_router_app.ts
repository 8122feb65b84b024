/** An application of React Router as its compiler would build it, without Vite. */

import { createElement, type ReactElement } from "npm:react@19.3.1";
import { renderToString } from "npm:react-dom@19.3.1/server";
import * as version7 from "npm:react-router@7.18.6";
import * as oldest from "npm:react-router@7.9.0";
import * as version8 from "npm:react-router@8.5.3";

/** What of a version of React Router makes a server. */
type ReactRouter = Pick<
  typeof version8,
  "createRequestHandler" | "Outlet" | "ServerRouter"
>;

/** The versions that are tested, with the flags that they need. */
export const VERSIONS: Readonly<
  Record<string, readonly [router: ReactRouter, future: object]>
> = {
  "7.9.0": [oldest as unknown as ReactRouter, { v8_middleware: true }],
  "7.18.6": [version7 as unknown as ReactRouter, { v8_middleware: true }],
  "8.5.3": [version8, {}],
};

/** What a file of `app/routes` exports. */
export type RouteModule = Pick<version8.RouteObject, "action" | "loader"> & {
  middleware?: version8.MiddlewareFunction<Response>[];

  /** The page; without it the route answers with what its loader returns. */
  default?: () => ReactElement | string;
};

/**
 * Makes a server of routes.
 *
 * @param version One of the versions.
 * @param middleware That of the root route.
 * @param routes By their paths.
 */
export function makeReactRouterApp(
  version: string,
  middleware: NonNullable<RouteModule["middleware"]>,
  routes: Readonly<Record<string, RouteModule>>,
): (request: Request) => Promise<Response> {
  const [router, future] = VERSIONS[version]!;
  const { createRequestHandler, Outlet, ServerRouter } = router;
  const modules: Record<string, [path: string, module: object]> = {
    root: ["", {
      middleware,
      default: () => createElement("html", null, createElement(Outlet)),
      ErrorBoundary: () => createElement("html", null, "error boundary"),
    }],
  };
  for (const [path, module] of Object.entries(routes)) {
    modules[`routes${path}`] = [path.slice(1), module];
  }
  const parentOf = (id: string) => id === "root" ? {} : { parentId: "root" };
  const entries = Object.entries(modules);
  const handler = createRequestHandler({
    entry: {
      module: {
        default: (request, status, headers, context) => {
          headers.set("content-type", "text/html");
          const page = createElement(ServerRouter, {
            context,
            url: request.url,
          });
          return new Response(renderToString(page), { status, headers });
        },
        // Else it prints what the tests throw.
        handleError() {},
      },
    },
    routes: Object.fromEntries(entries.map(([id, [path, module]]) => {
      return [id, { id, path, module: module as never, ...parentOf(id) }];
    })),
    assets: {
      entry: { module: "", imports: [] },
      routes: Object.fromEntries(entries.map(([id, [path, module]]) => [id, {
        id,
        path,
        ...parentOf(id),
        module: "",
        hasAction: "action" in module,
        hasLoader: "loader" in module,
        hasClientAction: false,
        hasClientLoader: false,
        hasClientMiddleware: false,
        hasDefaultExport: "default" in module,
        hasErrorBoundary: "ErrorBoundary" in module,
        clientActionModule: undefined,
        clientLoaderModule: undefined,
        clientMiddlewareModule: undefined,
        hydrateFallbackModule: undefined,
      }])),
      url: "",
      version: "1",
    },
    publicPath: "/",
    assetsBuildDirectory: "",
    future: future as never,
    ssr: true,
    isSpaMode: false,
    prerender: [],
    routeDiscovery: { mode: "initial", manifestPath: "/__manifest" },
  }, "production");
  return (request) => handler(request);
}
