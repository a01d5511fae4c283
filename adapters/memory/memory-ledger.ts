// The ledger in memory, with DynamoLedger's semantics: conditional writes, leases, versions, events that move out of long rows.
// One process only; every call is atomic because nothing in it awaits. Keeps copies, so that a caller's object is never the store.

import { answers } from '#adapters/trace-query.ts';
import { joinTrace, type MovedEvent, splitTrace } from '#adapters/trace-split.ts';
import type { DeliveryRef, DeliveryRow, MessageFacts, TraceEvent } from '#core/delivery.ts';
import type { ClaimResult, Ledger, TraceQuery, TraceRecord } from '#pipeline/ports.ts';

export class MemoryLedger implements Ledger {
  private readonly rows = new Map<string, DeliveryRow>();
  private readonly messages = new Map<string, MessageFacts>();
  private readonly moved = new Map<string, Map<string, TraceEvent>>();

  async create(rows: readonly DeliveryRow[], message: MessageFacts | null): Promise<readonly ('created' | 'exists')[]> {
    if (message !== null && !this.messages.has(message.spoolId)) {
      this.messages.set(message.spoolId, structuredClone(message));
    }
    return rows.map((row) => {
      if (this.rows.has(keyOf(row))) return 'exists';
      this.rows.set(keyOf(row), structuredClone(row));
      return 'created';
    });
  }

  async claim(
    ref: DeliveryRef,
    terms: { readonly now: number; readonly leaseUntil: number; readonly claimsMax: number },
  ): Promise<ClaimResult> {
    const row = this.rows.get(keyOf(ref));
    if (row === undefined) return { kind: 'refused', row: null };
    const claimable =
      (row.state === 'queued' || row.state === 'deferred') &&
      row.nextAttemptAt <= terms.now &&
      (row.leaseUntil === null || row.leaseUntil <= terms.now) &&
      row.claims < terms.claimsMax;
    if (!claimable) return { kind: 'refused', row: structuredClone(row) };
    const claimed = { ...row, leaseUntil: terms.leaseUntil, claims: row.claims + 1, version: row.version + 1 };
    this.rows.set(keyOf(ref), claimed);
    return { kind: 'claimed', row: structuredClone(claimed) };
  }

  async write(row: DeliveryRow, events: readonly TraceEvent[]): Promise<'written' | 'lost'> {
    const stored = this.rows.get(keyOf(row));
    if (stored === undefined || stored.version !== row.version) return 'lost';
    const { kept, moved } = splitTrace(row.trace);
    for (const each of moved) this.moveOut(keyOf(row), each);
    this.rows.set(keyOf(row), structuredClone({ ...row, version: row.version + 1, trace: [...kept, ...events] }));
    return 'written';
  }

  async read(ref: DeliveryRef): Promise<DeliveryRow | null> {
    const row = this.rows.get(keyOf(ref));
    return row === undefined ? null : structuredClone(row);
  }

  async message(spoolId: string): Promise<MessageFacts | null> {
    const facts = this.facts(spoolId);
    return facts === null ? null : structuredClone(facts);
  }

  async due(until: number, limit: number): Promise<readonly DeliveryRef[]> {
    return this.all()
      .filter((row) => row.dueAt !== null && row.dueAt <= until)
      .sort((a, b) => (a.dueAt ?? 0) - (b.dueAt ?? 0))
      .slice(0, limit)
      .map(({ spoolId, deliveryKey }) => ({ spoolId, deliveryKey }));
  }

  async trace(query: TraceQuery): Promise<readonly TraceRecord[]> {
    const spoolIds = new Set([...this.all().map((row) => row.spoolId), ...this.messages.keys()]);
    const records: TraceRecord[] = [];
    for (const spoolId of spoolIds) {
      const message = this.facts(spoolId);
      const rows = this.all().filter((row) => row.spoolId === spoolId);
      if (message !== null && answers(query, message, rows)) {
        records.push({ message, rows: rows.map((row) => ({ ...row, trace: this.wholeTrace(row) })) });
      }
    }
    records.sort((a, b) => b.message.acceptedAt - a.message.acceptedAt);
    return structuredClone(records.slice(0, query.limit));
  }

  /** Every row as it stands, for invariants. */
  all(): readonly DeliveryRow[] {
    return [...this.rows.values()];
  }

  private facts(spoolId: string): MessageFacts | null {
    const own = this.messages.get(spoolId);
    if (own !== undefined) return own;
    return this.all().find((row) => row.spoolId === spoolId && row.message !== null)?.message ?? null;
  }

  private moveOut(key: string, { key: eventKey, event }: MovedEvent): void {
    const events = this.moved.get(key) ?? new Map<string, TraceEvent>();
    this.moved.set(key, events.set(eventKey, structuredClone(event)));
  }

  private wholeTrace(row: DeliveryRow): readonly TraceEvent[] {
    const moved = this.moved.get(keyOf(row)) ?? new Map<string, TraceEvent>();
    return joinTrace(
      row.trace,
      [...moved].map(([key, event]) => ({ key, event })),
    );
  }
}

const keyOf = (ref: DeliveryRef) => `${ref.spoolId}\n${ref.deliveryKey}`;
