import path from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The collector counts and shows, no more: the rest of prom-client would load `cluster`, `https` and OpenTelemetry. */
const registryOnly: Plugin = {
  name: "prom-client's registry only",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/lib\/(pushgateway|cluster|defaultMetrics|summary)$/ }, ({ path: unused, importer }) =>
      importer.includes("prom-client") ? { path: unused, namespace: "unused" } : undefined,
    );
    onLoad({ filter: /./, namespace: "unused" }, () => ({ contents: "" }));
  },
};

/** Where the collector is built: below the repository, since what is not bundled is found in its node_modules. */
const COLLECTOR_FOLDER = path.join(ROOT, "dist", "collector");

/**
 * Builds the collector as it is shipped: one file, `main.js`, and beside it the program that reads a tokenizer. Modules
 * from one file, without type stripping, take a third of the memory less. Returns the path of `main.js`.
 */
export async function buildCollector(): Promise<string> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: ["src/collector/main.ts", "src/collector/translate/tokenizer/tokenizer-reader.ts"],
    entryNames: "[name]",
    outdir: COLLECTOR_FOLDER,
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    target: "node20",
    // A native module.
    external: ["zeromq"],
    plugins: [registryOnly],
    // CommonJS packages ask for Node's modules by `require`.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    logLevel: "warning",
  });
  return path.join(COLLECTOR_FOLDER, "main.js");
}
