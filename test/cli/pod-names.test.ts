import { describe, expect, it } from "vitest";
import { podNames } from "../../src/cli/pod-names.ts";

const shortened = (...ids: string[]) => {
  const { shortOf, pattern } = podNames(ids);
  return { names: ids.map(shortOf), pattern };
};

describe("pod names in a table", () => {
  it("leave out cluster, namespace and port where all pods share them", () => {
    expect(shortened("eu/default/a/8000", "eu/default/b/8000")).toEqual({
      names: ["a", "b"],
      pattern: "eu/default/NAME/8000",
    });
    expect(shortened("eu/default/a/8000", "us/default/a/8001")).toEqual({
      names: ["eu/default/a/8000", "us/default/a/8001"],
      pattern: undefined,
    });
    expect(shortened("eu/x/a/8000", "eu/x/a/8001", "eu/x/b/8000").names).toEqual(["a/8000", "a/8001", "b/8000"]);
  });

  it("lose a long deployment's name, and keep a short one's", () => {
    expect(shortened("eu/x/engine-0/1", "eu/x/engine-1/1").names).toEqual(["engine-0", "engine-1"]);
    expect(shortened("eu/x/vllm-llama-3-70b-7c9d8b6f5-abcde/1", "eu/x/vllm-llama-3-70b-7c9d8b6f5-fghij/1")).toEqual({
      names: ["abcde", "fghij"],
      pattern: "eu/x/vllm-llama-3-70b-7c9d8b6f5-NAME/1",
    });
  });

  it("stay whole where there is only one", () => {
    expect(shortened("eu/x/a/8000")).toEqual({ names: ["eu/x/a/8000"], pattern: undefined });
  });
});
