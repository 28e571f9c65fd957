import { buildCollector } from "../src/selfhost/collector-bundle.ts";

await buildCollector();
