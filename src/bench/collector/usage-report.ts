/**
 * Loaded into a process that is measured, before its own program: answers each message of its parent with what the
 * process has used so far.
 */
import { existsSync, readFileSync } from "node:fs";
import type { ProcessUsage } from "./measured-process.ts";

const STATUS = "/proc/self/status";

process.on("message", () => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  const usage: ProcessUsage = {
    cpuMs: (userCPUTime + systemCPUTime) / 1000,
    peakRssMb: peakRssMb(),
    rssMb: process.memoryUsage.rss() / 2 ** 20,
  };
  process.send?.(usage);
});
// The program ends when it has nothing left to do, whether or not anybody asks.
process.channel?.unref();

/** On Linux `maxRSS` counts the parent's memory in, as of the fork. */
function peakRssMb(): number {
  const peakKb = existsSync(STATUS) ? /VmHWM:\s*(\d+) kB/.exec(readFileSync(STATUS, "utf8"))?.[1] : undefined;
  return (peakKb === undefined ? process.resourceUsage().maxRSS : Number(peakKb)) / 1024;
}
