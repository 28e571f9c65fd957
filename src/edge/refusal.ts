/**
 * Every way the edge says no, with the status and OpenAI error type it goes out as. The reason is also sent in the
 * header `x-warmpath-reason`; messages tell the reader what to do and never name a pod's address.
 */
const REFUSALS = {
  no_key: [401, "authentication_error", "invalid_api_key"],
  bad_key: [401, "authentication_error", "invalid_api_key"],
  expired_key: [401, "authentication_error", "invalid_api_key"],
  model_not_allowed: [403, "permission_error", "model_not_allowed"],
  model_not_found: [404, "invalid_request_error", "model_not_found"],
  pod_not_found: [404, "invalid_request_error", "pod_not_found"],
  unknown_path: [404, "invalid_request_error", "unknown_url"],
  method_not_allowed: [405, "invalid_request_error", "method_not_allowed"],
  body_too_large: [413, "invalid_request_error", "body_too_large"],
  not_json: [400, "invalid_request_error", "invalid_json"],
  bad_field: [400, "invalid_request_error", "invalid_value"],
  unknown_policy: [400, "invalid_request_error", "unknown_policy"],
  saturated: [429, "overloaded_error", "saturated"],
  edge_busy: [503, "overloaded_error", "edge_busy"],
  no_endpoints: [503, "overloaded_error", "no_endpoints"],
  router_unavailable: [503, "overloaded_error", "router_unavailable"],
  upstream_failed: [502, "api_error", "upstream_failed"],
  upstream_stalled: [504, "timeout_error", "upstream_stalled"],
  deadline_exceeded: [504, "timeout_error", "deadline_exceeded"],
  client_left: [499, "api_error", "client_left"],
  push_unauthenticated: [401, "authentication_error", "push_unauthenticated"],
  push_malformed: [400, "invalid_request_error", "push_malformed"],
  push_replayed: [409, "invalid_request_error", "push_replayed"],
  misconfigured: [500, "api_error", "misconfigured"],
  internal: [500, "api_error", "internal"],
} as const satisfies Record<string, readonly [number, string, string]>;

export type RefusalReason = keyof typeof REFUSALS;

/** Thrown anywhere in a request's way; `refusalResponse` turns it into the answer. */
export class Refusal extends Error {
  readonly reason: RefusalReason;
  /** The request field at fault, as OpenAI's `param`. */
  readonly param: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    reason: RefusalReason,
    message: string,
    detail: { readonly param?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.name = "Refusal";
    this.reason = reason;
    this.param = detail.param ?? null;
    this.headers = detail.headers ?? {};
  }

  get status(): number {
    return REFUSALS[this.reason][0];
  }
}

/** A refusal as the answer to its request. */
export function refusalResponse(refusal: Refusal): Response {
  const { status, reason, headers } = refusal;
  return Response.json(errorEnvelope(refusal), { status, headers: { "x-warmpath-reason": reason, ...headers } });
}

/** The OpenAI error envelope of a refusal. */
export function errorEnvelope({ reason, message, param }: Refusal): { readonly error: object } {
  const [, type, code] = REFUSALS[reason];
  return { error: { message, type, param, code } };
}
