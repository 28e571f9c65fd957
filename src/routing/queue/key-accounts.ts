/** What a key has been served. */
export type KeyAccount = {
  readonly key: string;
  /** As of when it began to wait. */
  weight: number;
  /** Weighted tokens served, divided by the key's weight. The lowest is served next. */
  served: number;
  /** Requests it has waiting, over all priorities. */
  waiting: number;
};

/**
 * The counters of a virtual token counter (VTC; Sheng et al., Fairness in Serving Large Language Models, OSDI 2024). A
 * key that begins to wait is lifted to where the last one served stood before it was, the virtual time of start-time fair
 * queueing (Goyal, Vin and Cheng, SIGCOMM 1996): time spent idle earns nothing, but who is served little goes before the
 * next request of those that are served all the time. A key that was served more than that keeps its counter, so that
 * leaving and coming back earns nothing either.
 */
export class KeyAccounts {
  readonly #accounts = new Map<string, KeyAccount>();
  readonly #weightOf: (key: string) => number;
  readonly #mostIdle: number;
  /** Where keys begin: the highest that the lowest waiting counter has been when one was served. */
  #floor = 0;
  #sweepAt: number;

  constructor(weightOf: (key: string) => number, mostIdle: number) {
    this.#weightOf = weightOf;
    this.#mostIdle = mostIdle;
    this.#sweepAt = 2 * mostIdle;
  }

  /** Keys with a counter of their own. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Where a key's counter would stand if it had a request waiting now. `lowest` is the lowest waiting counter. */
  standing(key: string, lowest: number | undefined): number {
    const account = this.#accounts.get(key);
    if (account !== undefined && account.waiting > 0) return account.served;
    return Math.max(account?.served ?? 0, Math.min(lowest ?? this.#floor, this.#floor));
  }

  /** A key has one more request waiting. */
  join(key: string, lowest: number | undefined): KeyAccount {
    const served = this.standing(key, lowest);
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = { key, weight: this.#weightOf(key), served, waiting: 0 };
      this.#accounts.set(key, account);
      if (this.#accounts.size > this.#sweepAt) this.#forgetIdle();
    }
    account.served = served;
    if (account.waiting === 0) account.weight = this.#weightOf(key);
    account.waiting++;
    return account;
  }

  /** A key's request waits no more. */
  leave(account: KeyAccount): void {
    account.waiting--;
  }

  /** Charges a key for work placed while `lowest` was the lowest waiting counter. */
  charge(account: KeyAccount, workTokens: number, lowest: number): void {
    this.#floor = Math.max(this.#floor, lowest);
    account.served += workTokens / account.weight;
  }

  /** Work turned out larger than charged by this many weighted tokens, or smaller. Undefined for a forgotten key. */
  correct(key: string, workTokens: number): KeyAccount | undefined {
    const account = this.#accounts.get(key);
    if (account !== undefined) account.served += workTokens / account.weight;
    return account;
  }

  /** An idle counter below the floor says nothing; of the others the highest are kept. */
  #forgetIdle(): void {
    const idle = [...this.#accounts.values()].filter(({ waiting }) => waiting === 0);
    const owing = idle.filter(({ served }) => served > this.#floor).sort((a, b) => b.served - a.served);
    for (const account of idle) this.#accounts.delete(account.key);
    for (const account of owing.slice(0, this.#mostIdle)) this.#accounts.set(account.key, account);
    this.#sweepAt = this.#accounts.size + this.#mostIdle;
  }
}
