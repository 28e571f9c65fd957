import { PythonError, UnsupportedError } from "../python/failure.ts";
import type { Environment, Filter } from "./filter.ts";
import { orderingFilters } from "./ordering-filters.ts";
import { selectionFilters } from "./selection-filters.ts";
import { sequenceFilters } from "./sequence-filters.ts";
import { tests } from "./tests.ts";
import { textFilters } from "./text-filters.ts";
import { valueFilters } from "./value-filters.ts";

const filters: ReadonlyMap<string, Filter> = new Map([
  ...textFilters,
  ...valueFilters,
  ...sequenceFilters,
  ...orderingFilters,
  ...selectionFilters,
]);

/** Filters that jinja2 has and that are not known here. */
const unsupportedFilters: ReadonlySet<string> = new Set([
  "attr",
  "filesizeformat",
  "forceescape",
  "pprint",
  "random",
  "striptags",
  "urlencode",
  "urlize",
  "wordwrap",
  "xmlattr",
]);

/** Filters and tests by name. A name jinja2 does not know raises, as there. */
export function createEnvironment(spend: (steps: number) => void): Environment {
  const environment: Environment = {
    spend,
    callFilter(name, value, args) {
      const filter = filters.get(name);
      if (filter !== undefined) return filter(value, args, environment);
      if (unsupportedFilters.has(name)) throw new UnsupportedError(`filter '${name}'`);
      throw new PythonError("TemplateRuntimeError", `No filter named '${name}'`);
    },
    callTest(name, value, args) {
      if (name === "filter") return typeof value === "string" && (filters.has(value) || unsupportedFilters.has(value));
      if (name === "test") return typeof value === "string" && (tests.has(value) || ["filter", "test"].includes(value));
      const test = tests.get(name);
      if (test === undefined) throw new PythonError("TemplateRuntimeError", `No test named '${name}'`);
      return test(value, args, environment);
    },
  };
  return environment;
}
