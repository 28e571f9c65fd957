import { fileURLToPath } from "node:url";
import { z } from "zod";
import { type RunningChild, startChild } from "./child-process.ts";

const SCRIPT = fileURLToPath(new URL("../../sim/engine/main.ts", import.meta.url));

const readySchema = z.object({
  engines: z.array(
    z.object({
      name: z.string(),
      url: z.string(),
      control: z.string(),
      kvEvents: z.string().nullable(),
      kvReplay: z.string().nullable(),
    }),
  ),
});
/** A simulated engine's addresses. */
export type EngineAddress = z.infer<typeof readySchema>["engines"][number];

/** What the engines of a stack have in common. */
export type EngineSettings = {
  readonly count: number;
  readonly model: string;
  /** KV cache of each engine; undefined: the size that belongs to its profile. */
  readonly kvTokens: number | undefined;
  readonly maxModelLen: number;
  readonly timeScale: number;
  readonly seed: number;
  readonly kvEvents: boolean;
  /** Further options of the engines' command line, by name. */
  readonly more?: Readonly<Record<string, string | number>>;
};

/** Starts the engines in one process on ports the system chooses. */
export async function startEngines(
  settings: EngineSettings,
  onCrash: (message: string) => void,
): Promise<{ readonly child: RunningChild; readonly engines: readonly EngineAddress[] }> {
  const options: Record<string, string | number | undefined> = {
    count: settings.count,
    model: settings.model,
    "kv-tokens": settings.kvTokens,
    "max-model-len": settings.maxModelLen,
    "time-scale": settings.timeScale,
    seed: settings.seed,
    ...settings.more,
  };
  const args = Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, `${value}`],
  );
  const events = settings.kvEvents ? [] : ["--no-kv-events"];
  const { child, firstLine } = startChild({ name: "engines", args: [SCRIPT, ...args, ...events], env: {}, onCrash });
  try {
    return { child, engines: readySchema.parse(JSON.parse(await firstLine)).engines };
  } catch (error) {
    await child.stop();
    throw error;
  }
}
