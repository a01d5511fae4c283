// Mailboxes and the paths of an envelope (RFC 5321 §4.1.2, RFC 6531). Owned by the parser below; see its tests.

/** One mailbox. `address` is exactly what the envelope had, case kept. */
export type Mailbox = {
  readonly address: string;
  /** The local part with quoting resolved: `"a b"@x` has `a b`. */
  readonly localPart: string;
  /** The domain as given. */
  readonly domain: string;
  /** The domain for comparison: A-labels, lower case; an address literal as given, lower case. */
  readonly domainKey: string;
};

/** Where notices go. Null (`<>`) means: never answer (RFC 5321 §4.5.5). */
export type ReversePath = Mailbox | null;
export type ForwardPath = Mailbox;
