// Hands one submission over: its content, and after it the envelope, which commits it. For every program of ours that
// submits (gateway, sendmail); docs/interfaces.md has the contract. It never says `submitted` before both objects are
// stored, and takes nothing back.
//
// | effect, in order  | if we die right after                                                                  |
// | ----------------- | -------------------------------------------------------------------------------------- |
// | 1 content stored  | content without envelope: nothing was accepted; the client, without an answer, sends   |
// |                   | again; the hourly search for orphans finds it                                          |
// | 2 envelope stored | the message is relayed, though the client has no answer: the client may send it again  |
// |                   | (RFC 1047)                                                                             |
// | 3 answered        | done                                                                                   |

import { createHash } from 'node:crypto';
import {
  contentKeyOf,
  envelopeKeyOf,
  type Return,
  type SubmittedRecipient,
  type SubmittingClient,
  spoolIdOf,
  writeEnvelope,
} from '#core/submission/submission.ts';
import type { Storable, StoreResult, SubmissionStore } from '#pipeline/ports.ts';

export type SubmitRequest = {
  readonly submitter: string;
  readonly ulid: string;
  /** '' is the null reverse-path. */
  readonly reversePath: string;
  readonly forwardPaths: readonly SubmittedRecipient[];
  readonly ret: Return | null;
  readonly envid: string | null;
  readonly smtputf8?: true;
  readonly client?: SubmittingClient;
};
export type SubmitResult =
  | { readonly kind: 'submitted'; readonly spoolId: string }
  /**
   * Nothing was accepted. `denied`: the store will refuse it next time too, unless its policy is changed.
   */
  | { readonly kind: 'not-stored'; readonly cause: 'denied' | 'unavailable'; readonly detail: string };

/** Throws only when `signal` is aborted: then nothing was committed, or the client will not hear that it was. */
export async function submit(
  store: SubmissionStore,
  request: SubmitRequest,
  content: Storable,
  signal: AbortSignal,
): Promise<SubmitResult> {
  const { submitter, ulid, ...options } = request;
  const contentKey = contentKeyOf({ submitter, ulid });
  const first = notStored(await store.put(contentKey, content, signal), contentKey);
  if (first !== null) return first;
  const { bytes, sha256 } = content;
  const envelope = Buffer.from(writeEnvelope({ version: 1, ...options, bytes, sha256 }));
  const envelopeKey = envelopeKeyOf({ submitter, ulid });
  // Throws where the client closed the connection meanwhile: it sends again, and nothing is committed for it.
  const second = notStored(await store.put(envelopeKey, storableBytes(envelope), signal), envelopeKey);
  return second ?? { kind: 'submitted', spoolId: spoolIdOf({ submitter, ulid }) };
}

/** Bytes that are in memory already. */
export function storableBytes(bytes: Uint8Array): Storable {
  return {
    bytes: bytes.byteLength,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    async *chunks() {
      yield bytes;
    },
  };
}

function notStored(result: StoreResult, objectKey: string): SubmitResult | null {
  switch (result.kind) {
    case 'stored':
      return null;
    case 'taken': // 80 random bits were met by accident, or somebody writes there: never ours to overwrite
      return { kind: 'not-stored', cause: 'unavailable', detail: `another object stands at ${objectKey}` };
    case 'failed':
      return { kind: 'not-stored', cause: result.cause, detail: result.detail };
  }
}
