// What a submitter of the pipeline stores: an envelope of Ann's, to Bob, unless a test says otherwise.
// It only makes bytes and values; the pipeline stores them.

import { createHash } from 'node:crypto';
import type { SubmittedEnvelope } from '#core/submission/submission.ts';

export type Submitted = {
  readonly envelope?: Partial<SubmittedEnvelope>;
  /** The envelope object's text, whatever it says. */
  readonly text?: string;
  readonly content?: string;
  readonly times?: number;
  /** When the envelope was stored: at ACCEPTED_AT, unless it is said. */
  readonly storedAt?: number;
};
export const CONTENT = 'From: Ann <ann@example.com>\r\nTo: bob@far.example\r\nSubject: offer\r\n\r\nHello\r\n';

/** An envelope of Ann's, to Bob. */
export function committed(bytes: Uint8Array): SubmittedEnvelope {
  return {
    version: 1,
    reversePath: 'ann@example.com',
    forwardPaths: [{ address: 'bob@far.example', notify: null, orcpt: null }],
    ret: null,
    envid: null,
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}
