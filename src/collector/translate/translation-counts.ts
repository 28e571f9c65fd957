/** What translation met, counted since the collector started, over all pods. Each is one block unless said otherwise. */
export type TranslationCounts = {
  /** Entered a tier it was not in. */
  stored: number;
  /** Stored again where it was already: one removal will make it absent, though the engine may keep a copy. */
  storedAgain: number;
  /** Left a tier it was in. */
  removed: number;
  /** Removed from where it was not known to be. */
  removedUnknown: number;
  /** Stored behind a block that is not known, and kept until it appears. */
  waiting: number;
  /** The block it waited for appeared. */
  placed: number;
  /** Found no room to wait. */
  notWaiting: number;
  /** Holds more than text (images, embeddings, an adapter without a name), or comes behind such a block. */
  opaque: number;
  /** An event with a known hash and other content. */
  conflicts: number;
  /** Dropped behind a removed block that was not stored again. */
  forgotten: number;
  /** Found no room in the table. */
  noRoom: number;
  /** Events whose tokens do not fit their hashes. */
  misfits: number;
  /** Stores of cache groups that are not full attention. */
  otherGroups: number;
  /** Written by the model rather than read, as far as events tell. */
  checkable: number;
  /** Of these, compared with what their text is tokenized to. */
  checked: number;
  /** Of these, other tokens: not claimed. */
  uncanonical: number;
};

export function noTranslationCounts(): TranslationCounts {
  return {
    stored: 0,
    storedAgain: 0,
    removed: 0,
    removedUnknown: 0,
    waiting: 0,
    placed: 0,
    notWaiting: 0,
    opaque: 0,
    conflicts: 0,
    forgotten: 0,
    noRoom: 0,
    misfits: 0,
    otherGroups: 0,
    checkable: 0,
    checked: 0,
    uncanonical: 0,
  };
}
