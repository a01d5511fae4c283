// The accepted mail whose rule actions are not finished: a row each, with the bytes of a small message; a large message
// is in a file. Called by receiving.ts and receipt-actions.ts. A record that is kept and removed in one turn of the
// event loop never reaches the disk: that turn's commit holds what the actions wrote. It waits for nothing: the caller
// waits for `store.flushed()` before its 250.

import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Store } from '../store.ts';
import type { Envelope } from './inbound-smtp.ts';
import { remove } from './intake.ts';
import type { ReceiptRule } from './rule-sets.ts';
import type { Verdicts } from './verdicts.ts';

/** An accepted message, with the rules at the time of its arrival. */
export type AcceptedMail = {
  readonly version: 1;
  readonly sesMessageId: string;
  readonly envelope: Envelope;
  readonly bytes: number;
  readonly verdicts: Verdicts;
  readonly acceptedAt: number;
  readonly ruleSet: string;
  readonly rules: readonly { readonly rule: ReceiptRule; readonly recipients: readonly string[] }[];
};

export type SesRecords = {
  /** Where a large message streams to. */
  fileOf(sesMessageId: string): string;
  /** @param content the message, or null where it is in the file */
  keep(mail: AcceptedMail, content: Buffer | null): void;
  /** The bytes of a small message; null where they are in the file. */
  contentOf(mail: AcceptedMail): Buffer | null;
  /** Gives the memory of the bytes back; the record has them. For mail that has to wait. */
  rest(mail: AcceptedMail): void;
  forget(mail: AcceptedMail): Promise<void>;
  /** The records of an earlier process. Files that no record names were never answered with a 250 and are removed. */
  leftOver(): readonly AcceptedMail[];
};

export function openRecords(store: Store, folder: string): SesRecords {
  mkdirSync(folder, { recursive: true });
  const rows = store.table<AcceptedMail>('ses_accepted');
  const contents = store.blobs('ses_contents');
  const inMemory = new Map<string, Buffer>();
  const fileOf = (sesMessageId: string): string => join(folder, `${sesMessageId}.eml`);

  return {
    fileOf,
    keep(mail, content) {
      rows.put(mail.sesMessageId, mail);
      if (content === null) return;
      inMemory.set(mail.sesMessageId, content);
      contents.put(mail.sesMessageId, content);
    },
    contentOf: ({ sesMessageId }) => inMemory.get(sesMessageId) ?? contents.get(sesMessageId) ?? null,
    rest: ({ sesMessageId }) => void inMemory.delete(sesMessageId),
    async forget({ sesMessageId }) {
      const small = inMemory.delete(sesMessageId) || contents.get(sesMessageId) !== undefined;
      rows.delete(sesMessageId);
      if (small) return contents.delete(sesMessageId);
      // The record goes first. Content without a record is removed at the next start; a record without content is an
      // error.
      await store.flushed();
      await remove(fileOf(sesMessageId));
    },
    leftOver() {
      const names = new Set(readdirSync(folder));
      const found: AcceptedMail[] = [];
      for (const [id, mail] of rows.entries()) {
        const small = contents.get(id) !== undefined;
        if (small || (names.has(`${id}.eml`) && statSync(fileOf(id)).size === mail.bytes)) found.push(mail);
        else rows.delete(id);
        if (found.at(-1) === mail) names.delete(`${id}.eml`);
      }
      for (const name of names) void remove(join(folder, name));
      return found;
    },
  };
}
