// The ledger in memory with DynamoLedger's semantics, for the simulation and tests: conditional writes, leases,
// versions, events that move out of long rows. It serves one process, and every call is atomic because nothing in it
// awaits. It stores copies: a caller's object is never the stored one.

import { byNextHop, isEnqueued } from '#adapters/aws/due-index.ts';
import { lastInstantOf } from '#adapters/aws/dynamo-row.ts';
import { answers } from '#adapters/trace-query.ts';
import { joinTrace, type MovedEvent, splitTrace } from '#adapters/trace-split.ts';
import { heldBecauseOf } from '#core/delivery/become.ts';
import type { DeliveryRef, DeliveryRow, MessageFacts, TraceEvent } from '#core/delivery/delivery.ts';
import { isSettled } from '#core/delivery/delivery.ts';
import type { ExpiryCount } from '#core/delivery/expiry-limit.ts';
import type { ClaimResult, DueRow, Ledger, TraceQuery, TraceRecord } from '#pipeline/ports.ts';

export class MemoryLedger implements Ledger {
  private readonly rows = new Map<string, DeliveryRow>();
  private readonly messages = new Map<string, MessageFacts>();
  private readonly expiries = new Map<number, ExpiryCount>();
  private readonly moved = new Map<string, Map<string, TraceEvent>>();
  private readonly counts = new Map<string, number>();
  private readonly keys = new Map<string, Set<string>>();
  private readonly tokens = new Map<string, { readonly ref: DeliveryRef; readonly until: number }>();
  private readonly forgotten = new Map<string, number>();
  private readonly bookmarks = new Map<string, string>();

  async create(rows: readonly DeliveryRow[], message: MessageFacts | null): Promise<readonly ('created' | 'exists')[]> {
    if (message !== null && !this.messages.has(message.spoolId)) {
      this.messages.set(message.spoolId, structuredClone(message));
    }
    return rows.map((row) => {
      if (this.rows.has(keyOf(row))) return 'exists';
      this.rows.set(keyOf(row), copyOf(row));
      return 'created';
    });
  }

  async claim(ref: DeliveryRef, terms: { readonly now: number; readonly leaseUntil: number }): Promise<ClaimResult> {
    const row = this.rows.get(keyOf(ref));
    if (row === undefined) return { kind: 'refused', row: null };
    const claimable =
      (row.state === 'queued' || row.state === 'deferred') &&
      row.nextAttemptAt <= terms.now &&
      (row.leaseUntil === null || row.leaseUntil <= terms.now);
    if (!claimable) return { kind: 'refused', row: copyOf(row) };
    const claimed = { ...row, leaseUntil: terms.leaseUntil, claims: row.claims + 1, version: row.version + 1 };
    this.rows.set(keyOf(ref), claimed);
    return { kind: 'claimed', row: copyOf(claimed) };
  }

  async write(row: DeliveryRow, events: readonly TraceEvent[]): Promise<'written' | 'lost'> {
    const stored = this.rows.get(keyOf(row));
    if (stored === undefined || stored.version !== row.version) return 'lost';
    const { kept, moved } = splitTrace(row.trace);
    for (const each of moved) this.moveOut(keyOf(row), each);
    this.rows.set(keyOf(row), copyOf({ ...row, version: row.version + 1, trace: [...kept, ...events] }));
    return 'written';
  }

  async read(ref: DeliveryRef): Promise<DeliveryRow | null> {
    const row = this.rows.get(keyOf(ref));
    return row === undefined ? null : copyOf(row);
  }

  async message(spoolId: string): Promise<MessageFacts | null> {
    const facts = this.facts(spoolId);
    return facts === null ? null : structuredClone(facts);
  }

  async due(until: number, perLine: number, lineOf = byNextHop): Promise<readonly DueRow[]> {
    const seen = new Map<string, number>();
    return this.indexed(Number.NEGATIVE_INFINITY, until)
      .sort((a, b) => a.dueAt - b.dueAt)
      .filter((row) => {
        const line = lineOf(row);
        const before = seen.get(line) ?? 0;
        seen.set(line, before + 1);
        return before < perLine;
      });
  }

  async dueBetween(
    range: { readonly from: number; readonly until: number; readonly max: number },
    wanted: (row: DueRow) => boolean,
  ): Promise<readonly DueRow[]> {
    const found = this.indexed(range.from, range.until).filter(wanted);
    return found.sort((a, b) => a.dueAt - b.dueAt).slice(0, range.max);
  }

  async enqueued(from: number, until: number): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    for (const row of this.indexed(from, until))
      if (isEnqueued(row)) counts.set(row.nextHop, (counts.get(row.nextHop) ?? 0) + 1);
    return counts;
  }

  async countExpiry(hour: number, suspect: boolean): Promise<ExpiryCount> {
    const before = this.expiries.get(hour) ?? { total: 0, suspect: 0 };
    const count = { total: before.total + 1, suspect: before.suspect + (suspect ? 1 : 0) };
    this.expiries.set(hour, count);
    return count;
  }

  async countUpTo(name: string, max: number): Promise<boolean> {
    const count = this.counts.get(name) ?? 0;
    if (count >= max) return false;
    this.counts.set(name, count + 1);
    return true;
  }

  async countOnce(name: string, key: string, max: number): Promise<boolean> {
    const keys = this.keys.get(name) ?? new Set();
    this.keys.set(name, keys);
    if (!keys.has(key) && keys.size >= max) return false;
    keys.add(key);
    return true;
  }

  async keepToken(token: string, { spoolId, deliveryKey }: DeliveryRef, until: number): Promise<void> {
    this.tokens.set(token, { ref: { spoolId, deliveryKey }, until });
  }

  async findToken(token: string): Promise<{ readonly ref: DeliveryRef; readonly until: number } | null> {
    return this.tokens.get(token) ?? null;
  }

  async rowKeys(spoolId: string, max: number): Promise<readonly string[]> {
    const keys = this.all().flatMap((row) => (row.spoolId === spoolId ? [row.deliveryKey] : []));
    return keys.sort().slice(0, max);
  }

  async forgetMessage(spoolId: string, until: number): Promise<void> {
    if (this.messages.has(spoolId)) this.forgotten.set(spoolId, until);
  }

  async bookmark(name: string): Promise<string | null> {
    return this.bookmarks.get(name) ?? null;
  }

  async setBookmark(name: string, place: string): Promise<void> {
    this.bookmarks.set(name, place);
  }

  async trace(query: TraceQuery): Promise<readonly TraceRecord[]> {
    const every = () => new Set([...this.all().map((row) => row.spoolId), ...this.messages.keys()]);
    const spoolIds = query.spoolId === undefined ? every() : [query.spoolId];
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

  /** The same, each with its whole trace. */
  allWhole(): readonly DeliveryRow[] {
    return this.all().map((row) => ({ ...row, trace: this.wholeTrace(row) }));
  }

  /** The ledger as it is now, apart from this one. */
  copy(): MemoryLedger {
    const other = new MemoryLedger();
    for (const [key, row] of this.rows) other.rows.set(key, copyOf(row));
    for (const [key, message] of this.messages) other.messages.set(key, copyOfMessage(message));
    for (const [key, events] of this.moved) other.moved.set(key, new Map(events));
    return other;
  }

  /** A message's rows vanish, and all that belongs to them. */
  lose(spoolId: string): void {
    for (const row of this.all()) if (row.spoolId === spoolId) this.rows.delete(keyOf(row));
    for (const key of this.moved.keys()) if (key.startsWith(`${spoolId}\n`)) this.moved.delete(key);
    this.messages.delete(spoolId);
  }

  /** Of a restored ledger: what it has of a message beside its rows, where nothing stands. */
  takeBeside(from: MemoryLedger, spoolId: string): void {
    const message = from.messages.get(spoolId);
    if (message !== undefined && !this.messages.has(spoolId)) this.messages.set(spoolId, copyOfMessage(message));
    for (const [key, events] of from.moved)
      if (key.startsWith(`${spoolId}\n`))
        this.moved.set(key, new Map([...events, ...(this.moved.get(key) ?? new Map())]));
  }

  /** The row as a whole, where `standing` is its version; null: where none stands. */
  put(row: DeliveryRow, standing: number | null): 'written' | 'lost' {
    if ((this.rows.get(keyOf(row))?.version ?? null) !== standing) return 'lost';
    this.rows.set(keyOf(row), copyOf(row));
    return 'written';
  }

  /** Removes what DynamoDB's TTL would: items past their date. */
  expire(now: number, ledgerRetentionMs: number): void {
    for (const row of this.all())
      if (isSettled(row) && lastInstantOf(row) + ledgerRetentionMs <= now) this.rows.delete(keyOf(row));
    for (const [spoolId, until] of this.forgotten) if (until <= now) this.messages.delete(spoolId);
  }
  /** Messages that have an item of their own. */
  ownItems(): readonly string[] {
    return [...this.messages.keys()];
  }

  private indexed(from: number, until: number): DueRow[] {
    const found: DueRow[] = [];
    for (const row of this.rows.values()) {
      const entry = dueRowOf(row);
      if (entry !== null && entry.dueAt > from && entry.dueAt <= until) found.push(entry);
    }
    return found;
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

/** Deep enough for all that a row holds, and ten times as fast as structuredClone: simulations live on it. */
function copyOf(row: DeliveryRow): DeliveryRow {
  return {
    ...row,
    lastReply: row.lastReply && { ...row.lastReply },
    notice: row.notice && { ...row.notice },
    message: row.message && copyOfMessage(row.message),
    trace: row.trace.map((event) => ({ ...event })),
  };
}

function copyOfMessage(message: MessageFacts): MessageFacts {
  return { ...message, extract: { ...message.extract }, verdicts: message.verdicts && { ...message.verdicts } };
}

/** The row's entry in the index; null: it has none. */
export function dueRowOf(row: DeliveryRow): DueRow | null {
  const { dueAt, spoolId, deliveryKey, nextHop, state, nextAttemptAt, expiresAt } = row;
  if (dueAt === null) return null;
  const heldBecause = heldBecauseOf(row);
  const entry = { dueAt, spoolId, deliveryKey, nextHop, state, nextAttemptAt, expiresAt };
  return heldBecause === null ? entry : { ...entry, heldBecause };
}

const keyOf = (ref: DeliveryRef) => `${ref.spoolId}\n${ref.deliveryKey}`;
