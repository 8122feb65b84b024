/** An application of React Router as its compiler would build it, without Vite. */

import { createElement, type ReactElement } from "npm:react@19.3.1";
import { renderToString } from "npm:react-dom@19.3.1/server";
import type * as reactRouter from "npm:react-router@8.5.3";

/** What of a version of React Router makes a server. */
export type ReactRouter = Pick<
  typeof reactRouter,
  "createRequestHandler" | "Outlet" | "ServerRouter"
>;

/** What a file of `app/routes` exports. */
export type RouteModule =
  & Pick<
    reactRouter.RouteObject,
    "action" | "loader" | "middleware"
  >
  & {
    /** The page; without it the route answers with what its loader returns. */
    default?: () => ReactElement | string;
  };

/**
 * Makes a server of routes.
 *
 * @param router React Router.
 * @param root Of the root route, its middlewares.
 * @param routes By their paths.
 * @param future Flags of version 7.
 */
export function makeReactRouterApp(
  { createRequestHandler, Outlet, ServerRouter }: ReactRouter,
  root: Pick<RouteModule, "middleware">,
  routes: Readonly<Record<string, RouteModule>>,
  future: object,
): (request: Request) => Promise<Response> {
  const modules: Record<string, [path: string, module: object]> = {
    root: ["", {
      ...root,
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
