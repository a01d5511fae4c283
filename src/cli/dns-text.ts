// The text that `everpost dns` prints: records for a zone file (RFC 1035 §5), a change batch for Route 53, and one line
// for each record that was asked for. Called by dns.ts. Pure.

import type { AskedRecord, RecordState } from './dns-answers.ts';
import type { NeededRecord, Purpose } from './dns-records.ts';

const TTL_SECONDS = 3600;
/** A character-string of a TXT record (RFC 1035 §3.3). */
const STRING_OCTETS_MAX = 255;

const HEADINGS: Readonly<Record<Purpose, string>> = {
  dkim: 'SES: your domains, and their DKIM keys',
  'mail-from': 'SES: custom MAIL FROM domains',
  dmarc: 'DMARC. A record that you have already stays as it is',
  helo: 'The names that Everpost says in EHLO',
  'return-path': 'Return paths',
  spf: 'SPF of the return paths',
  receive: 'Last, when all else is there and checked. This moves the mail of the domain to SES',
};

/** The records of a zone file, by purpose. Those that move mail stand behind a semicolon, as comments. */
export function zoneFile(records: readonly NeededRecord[]): string {
  const blocks = [...Map.groupBy(records, ({ purpose }) => purpose)].map(([purpose, some]) => {
    const lines = some.map((record) => {
      const line = `${record.name}. ${TTL_SECONDS} IN ${record.type} ${zoneValue(record)}`;
      return purpose === 'receive' ? `; ${line}` : `${line} ; ${record.why}`;
    });
    return [`; ${HEADINGS[purpose]}`, ...lines].join('\n');
  });
  return `${blocks.join('\n\n')}\n`;
}

/**
 * A change batch of `aws route53 change-resource-record-sets`. Each change is a CREATE, which Route 53 refuses where a
 * record of that name and type stands already: an UPSERT would replace it. Records that move mail are left out.
 */
export function changeBatch(records: readonly NeededRecord[]): string {
  const sets = Map.groupBy(
    records.filter(({ purpose }) => purpose !== 'receive'),
    ({ name, type }) => `${name} ${type}`,
  );
  const changes = [...sets.values()].map((some) => ({
    Action: 'CREATE',
    ResourceRecordSet: {
      Name: `${some[0]?.name}.`,
      Type: some[0]?.type,
      TTL: TTL_SECONDS,
      ResourceRecords: some.map((record) => ({ Value: zoneValue(record) })),
    },
  }));
  return `${JSON.stringify({ Comment: 'Everpost', Changes: changes }, null, 1)}\n`;
}

/** Host names end with a dot, texts stand in quotes, long ones in several. */
function zoneValue({ type, value }: NeededRecord): string {
  if (type === 'MX' || type === 'CNAME') return `${value}.`;
  if (type !== 'TXT') return value;
  const parts = value.match(new RegExp(`.{1,${STRING_OCTETS_MAX}}`, 'gs')) ?? [''];
  return parts.map((part) => `"${part.replaceAll(/["\\]/g, '\\$&')}"`).join(' ');
}

const STATES: Readonly<Record<RecordState, string>> = {
  set: 'set',
  missing: 'missing',
  other: 'differs',
  unknown: 'unknown',
};

/** One line for each record. The domains' own MX records say where the mail goes now; that is no fault. */
export function checkLines(asked: readonly AskedRecord[]): string {
  const lines = asked.map(({ name, type, value, purpose, state, found, says }) => {
    const there = state === 'other' && found.length > 0 ? [`stands there: ${found.join(', ')}`] : [];
    const words = [...there, ...(says === null ? [] : [says])];
    const before = purpose === 'receive' && (state === 'missing' || state === 'other');
    const shown = before ? 'not yet' : STATES[state];
    return `${shown.padEnd(8)} ${name} ${type} ${value}${words.length === 0 ? '' : `   (${words.join('; ')})`}`;
  });
  return `${lines.join('\n')}\n`;
}

/** Something must be done: of the MX records that move mail, only two servers side by side are wrong. */
export function isWrong({ purpose, state, says }: AskedRecord): boolean {
  if (purpose === 'receive') return state === 'unknown' || (state === 'other' && says !== null);
  return state !== 'set';
}
