import { readFile } from "node:fs/promises";

type Reading = { readonly atMin: number; readonly rssMb: number };

/** Watches the memory of processes over a run. Linux only: elsewhere there is nothing to read. */
export class RssWatch {
  readonly #processes: () => Readonly<Record<string, number>>;
  readonly #readings = new Map<string, Reading[]>();
  readonly #timer: NodeJS.Timeout;

  /** `processes` tells each one's id by name. */
  constructor(processes: () => Readonly<Record<string, number>>, everyMs: number) {
    this.#processes = processes;
    this.#timer = setInterval(() => void this.#read(), everyMs);
  }

  /** Growth in MB a minute over the last half of the run, by process: the slope of a line of least squares. */
  end(): Record<string, number> {
    clearInterval(this.#timer);
    const slopes: Record<string, number> = {};
    for (const [name, readings] of this.#readings) slopes[name] = slopeOf(readings.slice(readings.length >> 1));
    return slopes;
  }

  async #read(): Promise<void> {
    for (const [name, pid] of Object.entries(this.#processes())) {
      // A process that is being started anew has none.
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      const kilobytes = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN);
      if (Number.isNaN(kilobytes)) continue;
      const readings = this.#readings.get(name) ?? [];
      readings.push({ atMin: performance.now() / 60_000, rssMb: kilobytes / 1024 });
      this.#readings.set(name, readings);
    }
  }
}

function slopeOf(readings: readonly Reading[]): number {
  const mean = (of: (reading: Reading) => number) => readings.reduce((sum, one) => sum + of(one), 0) / readings.length;
  const [meanMin, meanMb] = [mean(({ atMin }) => atMin), mean(({ rssMb }) => rssMb)];
  let [above, below] = [0, 0];
  for (const { atMin, rssMb } of readings) {
    above += (atMin - meanMin) * (rssMb - meanMb);
    below += (atMin - meanMin) ** 2;
  }
  return below === 0 ? 0 : Math.round((100 * above) / below) / 100;
}
