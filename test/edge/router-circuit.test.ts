import { describe, expect, it } from "vitest";
import { RouterCircuit } from "../../src/edge/router-circuit.ts";

/** Without jitter: pauses of their full length. */
const circuit = () => new RouterCircuit(() => 1);

describe("RouterCircuit", () => {
  it("lets everything through while nothing fails", () => {
    expect(circuit().refuses(0)).toBeUndefined();
  });

  it("refuses for a quarter of a second after a failure, with its reason, and twice as long after the next", () => {
    const tripped = circuit();
    tripped.failed("router_overloaded", 0);
    expect(tripped.refuses(249)).toBe("router_overloaded");
    expect(tripped.refuses(250)).toBeUndefined();
    tripped.failed("router_silent", 260);
    expect(tripped.refuses(759)).toBe("router_silent");
    expect(tripped.refuses(760)).toBeUndefined();
  });

  it("lets one request in a pause try again", () => {
    const tripped = circuit();
    tripped.failed("router_unreachable", 0);
    expect(tripped.refuses(300)).toBeUndefined();
    expect(tripped.refuses(301)).toBe("router_unreachable");
    expect(tripped.refuses(550)).toBeUndefined();
  });

  it("never pauses for more than five seconds, and forgets everything at the first answer", () => {
    const tripped = circuit();
    for (let i = 0; i < 20; i++) tripped.failed("router_unreachable", 0);
    expect(tripped.refuses(4_999)).toBe("router_unreachable");
    expect(tripped.refuses(5_000)).toBeUndefined();
    tripped.answered();
    expect(tripped.refuses(5_001)).toBeUndefined();
    tripped.failed("router_unreachable", 6_000);
    expect(tripped.refuses(6_250)).toBeUndefined();
  });
});
