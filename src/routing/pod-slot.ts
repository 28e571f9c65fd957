/** A pod's number inside the claim tables: 0 to 4,095. Small and reused, so that sets of pods are short bit rows. */
export type PodSlot = number;

/** Pods a table can tell apart. */
export const MOST_SLOTS = 4_096;
