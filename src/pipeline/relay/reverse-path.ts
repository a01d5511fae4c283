// The reverse-path under which an attempt leaves: the row says which kind (core/routing/return-path.ts), SMTP and LMTP
// alone carry it. Called by relay. A token is in the ledger before anything is sent under it; the same delivery has the
// same token at every attempt. It never sends anything. The crash table is relay's.

import type { Settings } from '#config/settings.ts';
import { type DeliveryRow, deliveryId, type MessageFacts } from '#core/delivery/delivery.ts';
import { dayMs } from '#core/limits.ts';
import { parseMailbox, parseReversePath, parseSubmittedPath, type ReversePath } from '#core/message/address.ts';
import type { MarkKey } from '#core/message/mark-key.ts';
import { sendingDomains } from '#core/message/ses-use.ts';
import { returnPathFor, type Srs, tokenAddress, tokenOf } from '#core/routing/return-path.ts';
import type { Clock, Ledger, Watch } from '#pipeline/ports.ts';

export type ReturnPathPorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly markKey: MarkKey;
  readonly srsSecrets?: (() => Promise<readonly string[]>) | undefined;
};

export async function leaveUnder(
  ports: ReturnPathPorts,
  row: DeliveryRow,
  message: MessageFacts,
): Promise<{ readonly reversePath: ReversePath; readonly rewritten: boolean }> {
  const read = message.direction === 'outbound' ? parseSubmittedPath : parseReversePath;
  const reversePath = read(message.reversePath) ?? null;
  const kept = { reversePath, rewritten: false };
  const kind = ports.settings.nextHops[row.nextHop]?.kind;
  if (row.returnPath === undefined || (kind !== 'smtp' && kind !== 'lmtp')) return kept;
  const srs = row.returnPath === 'srs' && reversePath !== null ? await srsOf(ports, row) : null;
  const chosen = returnPathFor(row.returnPath, reversePath, { ownDomains: sendingDomains(ports.settings), srs });
  if (chosen.kind === 'keep') return kept;
  const address = chosen.kind === 'srs' ? chosen.address : await token(ports, row);
  return { reversePath: parseMailbox(address), rewritten: true };
}

async function token(ports: ReturnPathPorts, row: DeliveryRow): Promise<string> {
  const { settings, ledger, markKey } = ports;
  const made = tokenOf(markKey, deliveryId(row));
  // As long as the row: a later report has no delivery left.
  await ledger.keepToken(made, row, row.acceptedAt + settings.retentionMs.ledger);
  return tokenAddress(made, settings.returnPathDomain);
}

/** Null where the secret cannot be read: a token serves as well, and mail need not wait. */
async function srsOf(ports: ReturnPathPorts, row: DeliveryRow): Promise<Srs | null> {
  try {
    const secrets = (await ports.srsSecrets?.()) ?? [];
    const day = Math.floor(ports.clock.now() / dayMs);
    return secrets.length === 0 ? null : { returnPathDomain: ports.settings.returnPathDomain, secrets, day };
  } catch (error) {
    ports.watch.error('relay.srs-secret', { spoolId: row.spoolId, error: String(error) });
    return null;
  }
}
