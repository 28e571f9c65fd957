/**
 * A binary heap that also lets any item leave, or be put in order again, in O(log n), and walks its items in order
 * without removing them. `compare` must be a total order, or equal items leave in any order.
 */
export class OrderedHeap<Item> {
  readonly #items: Item[] = [];
  readonly #places = new Map<Item, number>();
  readonly #compare: (a: Item, b: Item) => number;

  constructor(compare: (a: Item, b: Item) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The first in order. */
  get first(): Item | undefined {
    return this.#items[0];
  }

  /** All items, in no order. */
  get items(): readonly Item[] {
    return this.#items;
  }

  has(item: Item): boolean {
    return this.#places.has(item);
  }

  /** The item must not be in the heap yet. */
  add(item: Item): void {
    this.#items.push(item);
    this.#rise(this.#items.length - 1);
  }

  /** False if the item is not in the heap. */
  remove(item: Item): boolean {
    const place = this.#places.get(item);
    if (place === undefined) return false;
    this.#places.delete(item);
    const last = this.#items.pop() as Item;
    if (last !== item) {
      this.#items[place] = last;
      this.#places.set(last, place);
      this.reorder(last);
    }
    return true;
  }

  /** What the item is ordered by has changed. */
  reorder(item: Item): void {
    const place = this.#places.get(item);
    if (place !== undefined) this.#sink(this.#rise(place));
  }

  /** Walks the items in order, each step in O(log steps). The heap must not change meanwhile. */
  *inOrder(): Generator<Item, void, undefined> {
    if (this.#items.length === 0) return;
    const frontier = new OrderedHeap<number>((a, b) => this.#compare(this.#items[a] as Item, this.#items[b] as Item));
    frontier.add(0);
    for (let place = frontier.first; place !== undefined; place = frontier.first) {
      frontier.remove(place);
      for (let child = 2 * place + 1; child <= 2 * place + 2; child++) {
        if (child < this.#items.length) frontier.add(child);
      }
      yield this.#items[place] as Item;
    }
  }

  #rise(from: number): number {
    const item = this.#items[from] as Item;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#items[parent] as Item;
      if (this.#compare(item, above) >= 0) break;
      this.#put(above, place);
      place = parent;
    }
    this.#put(item, place);
    return place;
  }

  #sink(from: number): void {
    const item = this.#items[from] as Item;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#items.length) break;
      const right = child + 1;
      if (right < this.#items.length && this.#compare(this.#items[right] as Item, this.#items[child] as Item) < 0) {
        child = right;
      }
      const below = this.#items[child] as Item;
      if (this.#compare(below, item) >= 0) break;
      this.#put(below, place);
      place = child;
    }
    this.#put(item, place);
  }

  #put(item: Item, place: number): void {
    this.#items[place] = item;
    this.#places.set(item, place);
  }
}
