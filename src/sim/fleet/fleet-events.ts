/** What can happen in a fleet; each event comes with one number. */

/** A step of a pod's engine is over. */
export const STEP = 0;
/** A client makes its next call. */
export const CALL = 1;
/** A request has been read by the router. */
export const SEND = 2;
/** A request reaches its pod. */
export const REACH = 3;
/** Its first token is back at the router, */
export const FIRST_TOKEN = 4;
/** and its last one. */
export const FINISHED = 5;
/** The engines' gauges are read. */
export const SCRAPE = 6;
/** What was read or announced arrives at the router. */
export const REPORT = 7;
/** Something goes wrong, or is put right again. */
export const INCIDENT = 8;
/** A request that waited in the router has been placed. */
export const RELEASED = 9;
/** The router asked to be woken. */
export const WAKE = 10;
