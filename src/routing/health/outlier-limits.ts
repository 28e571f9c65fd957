/** When a pod is taken out for failing, and for how long. */
export type OutlierLimits = {
  /** So many failures without a success between them eject a pod. */
  readonly consecutiveFailures: number;
  /** So does this share of failures among its requests of the window, */
  readonly failureShare: number;
  /** if there were at least so many. */
  readonly leastRequests: number;
  readonly windowMs: number;
  /** The first ejection; each further one lasts twice as long as the one before. */
  readonly ejectionMs: number;
  readonly mostEjectionMs: number;
  /** A pod in good health for this long has one ejection forgotten, and another after as long again. */
  readonly forgetMs: number;
  /** Share of a model's pods that may be out at once, those on probe included. One stays whatever the share. */
  readonly mostEjectedShare: number;
  /** A probe without a first token for this long is given up, so that its slot is not lost with it. */
  readonly probeMs: number;
};

/**
 * Envoy's outlier detection has five failures in a row, 30 s growing to 300 s and at most 10 % of the hosts. Here a
 * first ejection is shorter, as one probe decides instead of full traffic, and more may be out, as models have few
 * pods.
 */
export const DEFAULT_OUTLIER_LIMITS: OutlierLimits = {
  consecutiveFailures: 5,
  failureShare: 0.5,
  leastRequests: 20,
  windowMs: 30_000,
  ejectionMs: 10_000,
  mostEjectionMs: 300_000,
  forgetMs: 60_000,
  mostEjectedShare: 0.5,
  probeMs: 60_000,
};
