/**
 * Loaded into a process that is measured, before its own program: answers each message of its parent with what the
 * process has used so far.
 */
import type { ProcessUsage } from "./measured-process.ts";

process.on("message", () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const usage: ProcessUsage = {
    cpuMs: (userCPUTime + systemCPUTime) / 1000,
    peakRssMb: maxRSS / 1024,
    rssMb: process.memoryUsage.rss() / 2 ** 20,
  };
  process.send?.(usage);
});
// The program ends when it has nothing left to do, whether or not anybody asks.
process.channel?.unref();
