import type { ListedPod } from "../../durable/routing-rpc.ts";

const REFRESH_MS = 10_000;

type Seen = { readonly pods: readonly ListedPod[]; readonly atMs: number };

const seen = new Map<string, Seen>();
const askedAtMs = new Map<string, number>();

/** Whether the next call should ask a router for its pods. True once in ten seconds, not for every request meanwhile. */
export function podsWanted(routerName: string, nowMs: number): boolean {
  if (nowMs - (askedAtMs.get(routerName) ?? 0) < REFRESH_MS) return false;
  askedAtMs.set(routerName, nowMs);
  return true;
}

/** Keeps the pods a router has listed, for this isolate's lifetime. */
export function rememberPods(routerName: string, pods: readonly ListedPod[], nowMs: number): void {
  seen.set(routerName, { pods, atMs: nowMs });
}

/** The pods a router last listed, and when. */
export function lastSeenPods(routerName: string): Seen | undefined {
  return seen.get(routerName);
}
