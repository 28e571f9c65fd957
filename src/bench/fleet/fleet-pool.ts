import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { FleetCell } from "./fleet-cell.ts";
import type { RunFigures } from "./fleet-figures.ts";

type Answer = { readonly figures: RunFigures } | { readonly problem: string };

/**
 * Runs cells on all cores, one worker thread a core. Figures come back in the order of the cells; `done` is called as
 * they come. Rejects with the first problem of any cell.
 */
export async function runCells(
  cells: readonly FleetCell[],
  done: (cell: FleetCell, figures: RunFigures) => void,
): Promise<RunFigures[]> {
  const results: RunFigures[] = new Array(cells.length);
  let next = 0;
  const workers = Array.from(
    { length: Math.min(cells.length, availableParallelism()) },
    () => new Worker(new URL("./fleet-worker.ts", import.meta.url)),
  );
  const drain = async (worker: Worker): Promise<void> => {
    while (next < cells.length) {
      const index = next++;
      const cell = cells[index] as FleetCell;
      const figures = await ask(worker, cell);
      results[index] = figures;
      done(cell, figures);
    }
  };
  try {
    await Promise.all(workers.map(drain));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return results;
}

function ask(worker: Worker, cell: FleetCell): Promise<RunFigures> {
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", (answer: Answer) => {
      worker.off("error", reject);
      if ("figures" in answer) resolve(answer.figures);
      else reject(new Error(answer.problem));
    });
    worker.postMessage(cell);
  });
}
