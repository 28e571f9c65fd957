/**
 * How a request on a pod ended. `answered`: the answer was whole. Of `rejected` (4xx) and `client_left` nothing is
 * learned about the pod. The others are its failures: no connection, 5xx, silence past the limit, a stream that broke
 * off.
 */
export type PodOutcome =
  | "answered"
  | "rejected"
  | "client_left"
  | "connect_failed"
  | "server_error"
  | "stalled"
  | "truncated";

/** What an outcome says of the pod; undefined if nothing. */
export function verdictOf(outcome: PodOutcome): "success" | "failure" | undefined {
  switch (outcome) {
    case "answered":
      return "success";
    case "rejected":
    case "client_left":
      return undefined;
    default:
      return "failure";
  }
}
