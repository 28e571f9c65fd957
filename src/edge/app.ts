import { type Context, Hono } from "hono";
import { type KeySettings, type Settings, SettingsError } from "../settings/settings.ts";
import { inspectModel, listClaims, listModelSettings, requireAdmin, resetRouter } from "./admin.ts";
import { listDecisions } from "./admin-decisions.ts";
import { explainRequest } from "./admin-explain.ts";
import { authenticate } from "./api-key.ts";
import { takePush } from "./collector-push.ts";
import { type Env, settingsOf } from "./env.ts";
import { generate } from "./generation.ts";
import type { GenerationEndpoint } from "./generation-request.ts";
import { errorText, log } from "./log.ts";
import { listModels, retrieveModel } from "./model-list.ts";
import { describeRendering } from "./model-rendering.ts";
import { Refusal, refusalResponse } from "./refusal.ts";

type AppContext = Context<{ Bindings: Env }>;

/** The Worker's routes. `bundled` is the settings file that was built in; a binding wins over it. */
export function createApp(bundled: unknown): Hono<{ Bindings: Env }> {
  const app = new Hono<{ Bindings: Env }>();
  const settings = (c: AppContext): Settings => settingsOf(c.env, bundled);
  const key = (c: AppContext): Promise<KeySettings> =>
    authenticate(c.req.header("authorization"), settings(c), c.env.WARMPATH_SECRET, Date.now());

  const generation = (endpoint: GenerationEndpoint) => async (c: AppContext) =>
    generate({
      env: c.env,
      settings: settings(c),
      key: await key(c),
      request: c.req.raw,
      endpoint,
      path: c.req.path,
      requestId: c.req.header("x-request-id") ?? crypto.randomUUID(),
      waitUntil: (work) => c.executionCtx.waitUntil(work),
    });
  app.post("/v1/chat/completions", generation("chat"));
  app.post("/v1/completions", generation("completions"));
  app.get("/v1/models", async (c) => listModels(settings(c), await key(c)));
  app.get("/v1/models/:name{.+}", async (c) => retrieveModel(c.req.param("name"), settings(c), await key(c)));

  app.post("/collector/v1/push", (c) => takePush(c.req.raw, c.env, settings(c)));
  app.get("/collector/v1/renderings/:name", (c) =>
    describeRendering(c.req.param("name"), c.req.raw, c.env, settings(c)),
  );

  app.get("/admin/v1/models", async (c) => {
    await requireAdmin(c.req.header("authorization"), c.env);
    return listModelSettings(settings(c));
  });
  app.get("/admin/v1/models/:name{.+}", async (c) => {
    await requireAdmin(c.req.header("authorization"), c.env);
    return inspectModel(c.req.param("name"), c.env, settings(c));
  });

  app.post("/admin/v1/models/:name{.+}/reset", async (c) => {
    await requireAdmin(c.req.header("authorization"), c.env);
    return resetRouter(c.req.param("name"), c.env, settings(c));
  });
  app.get("/admin/v1/claims", async (c) => {
    await requireAdmin(c.req.header("authorization"), c.env);
    return listClaims(c.req.query("model") ?? "", c.req.query("pod") ?? "", c.env, settings(c));
  });
  app.get("/admin/v1/decisions", async (c) => {
    await requireAdmin(c.req.header("authorization"), c.env);
    return listDecisions(c.req.raw, c.env, settings(c));
  });
  app.post("/admin/v1/explain", async (c) => {
    await requireAdmin(c.req.header("authorization"), c.env);
    return explainRequest(c.req.raw, c.env, settings(c));
  });

  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", (c) => c.json({ status: "ok", models: settings(c).models.length }));

  const methods = new Map([
    ["/v1/chat/completions", "POST"],
    ["/v1/completions", "POST"],
    ["/v1/models", "GET"],
    ["/collector/v1/push", "POST"],
    ["/admin/v1/explain", "POST"],
    ["/admin/v1/decisions", "GET"],
  ]);
  app.notFound((c) => {
    const allow = methods.get(c.req.path);
    if (allow === undefined) return refusalResponse(new Refusal("unknown_path", `Unknown path: ${c.req.path}`));
    const message = `${c.req.path} takes ${allow} requests only.`;
    return refusalResponse(new Refusal("method_not_allowed", message, { headers: { allow } }));
  });
  app.onError((error) => refusalResponse(refusalFrom(error)));
  return app;
}

function refusalFrom(error: Error): Refusal {
  if (error instanceof Refusal) return error;
  log("error", "request_failed", { error: errorText(error) });
  if (error instanceof SettingsError) return new Refusal("misconfigured", error.message);
  return new Refusal("internal", "An internal error occurred. Retry; if it persists, tell your administrator.");
}
