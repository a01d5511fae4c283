// Judges whether bytes are a sound delivery status notification: MIME structure (RFC 2045, 2046, 6522), report fields
// (RFC 3464, 6533), automatic mail (RFC 3834). Written from the documents, apart from the composer: it shares no code
// with what it judges. Returns findings, one line each; an empty list means sound.

export type MimePart = {
  readonly fields: readonly (readonly [string, string])[];
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly encoding: string;
  /** Content in octets (Latin-1), the transfer encoding undone. */
  readonly content: string;
  readonly raw: string;
};

export type ParsedNotice = {
  readonly fields: readonly (readonly [string, string])[];
  readonly parts: readonly MimePart[];
};

const KNOWN = new Set([
  'reporting-mta',
  'arrival-date',
  'original-envelope-id',
  'dsn-gateway',
  'received-from-mta',
  'original-recipient',
  'final-recipient',
  'action',
  'status',
  'remote-mta',
  'diagnostic-code',
  'last-attempt-date',
  'final-log-id',
  'will-retry-until',
  'localized-diagnostic',
]);
// RFC 3464 §2.2 and §2.3 give the order; extensions come last.
const MESSAGE_ORDER = ['original-envelope-id', 'reporting-mta', 'dsn-gateway', 'received-from-mta', 'arrival-date'];
const RECIPIENT_ORDER = [
  'original-recipient',
  'final-recipient',
  'action',
  'status',
  'remote-mta',
  'diagnostic-code',
  'last-attempt-date',
  'final-log-id',
  'will-retry-until',
];
const DATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d [+-]\d{4}$/;

/** What is wrong with it, one line each. */
export function judgeNotice(bytes: Uint8Array): string[] {
  const octets = Buffer.from(bytes).toString('latin1');
  const findings = judgeLines(octets);
  const notice = parseNotice(bytes);
  if (typeof notice === 'string') return [...findings, notice];
  findings.push(...judgeTop(notice), ...judgeParts(notice));
  const eightBit = /[\x80-\xff]/.test(octets.slice(octets.indexOf('\r\n\r\n'))); // of the body: fields have RFC 6532
  if (eightBit && one(notice.fields, 'content-transfer-encoding') !== '8bit')
    findings.push('8-bit octets without Content-Transfer-Encoding: 8bit');
  return findings;
}

function judgeLines(octets: string): string[] {
  const findings: string[] = [];
  if (/\r(?!\n)|(?<!\r)\n/.test(octets)) findings.push('a bare CR or LF');
  if (octets.includes('\0')) findings.push('a NUL');
  if (/[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(octets)) findings.push('a control character');
  const longest = Math.max(...octets.split('\r\n').map((line) => line.length));
  if (longest > 998) findings.push(`a line of ${longest} octets`);
  if (!octets.endsWith('\r\n')) findings.push('no CRLF at the end');
  return findings;
}

function judgeTop({ fields }: ParsedNotice): string[] {
  const findings: string[] = [];
  for (const name of [
    'from',
    'to',
    'date',
    'subject',
    'message-id',
    'mime-version',
    'auto-submitted',
    'content-type',
  ]) {
    const count = all(fields, name).length;
    if (count !== 1) findings.push(`${count} ${name} fields`);
  }
  for (const name of ['in-reply-to', 'references', 'x-everpost-notice', 'content-transfer-encoding']) {
    if (all(fields, name).length > 1) findings.push(`several ${name} fields`);
  }
  for (const [name, value] of fields) {
    if (value === '') findings.push(`empty field ${name}`);
    if (/[\x80-\xff]/.test(value) && name !== 'to') findings.push(`8-bit octets in ${name}`);
  }
  if (!DATE.test(one(fields, 'date'))) findings.push('Date does not parse');
  if (!/^(?:[^<>]* )?<(?:[^<>\s"]+|".*")@[^<>\s]+>$/.test(one(fields, 'from'))) findings.push('From holds no address');
  if (!/^<(?:[^<>\s"]+|".*")@[^<>\s]+>$|^=\?.*\?=:;$/.test(one(fields, 'to')))
    findings.push(`To is ${one(fields, 'to')}`);
  if (!/^<[^<>\s@]+@[^<>\s@]+>$/.test(one(fields, 'message-id'))) findings.push('Message-ID is none');
  if (one(fields, 'mime-version') !== '1.0') findings.push('MIME-Version is not 1.0');
  if (!/^auto-replied$/.test(one(fields, 'auto-submitted')))
    findings.push('not Auto-Submitted: auto-replied (RFC 3834 §5)');
  if (all(fields, 'bcc').length > 0) findings.push('a Bcc field');
  for (const [, value] of fields) {
    for (const word of value.match(/=\?\S*\?=/g) ?? [])
      if (word.length > 75) findings.push('an encoded-word over 75 characters (RFC 2047 §2)');
  }
  return findings;
}

function judgeParts({ parts }: ParsedNotice): string[] {
  const findings: string[] = [];
  if (parts.length !== 2 && parts.length !== 3) findings.push(`${parts.length} parts`);
  const [human, report, original] = parts;
  if (human === undefined || report === undefined) return findings;
  if (human.type !== 'text/plain') findings.push(`the first part is ${human.type}`);
  if (human.parameters.get('charset')?.toLowerCase() !== 'utf-8') findings.push('the first part is not UTF-8');
  try {
    if (new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(human.content, 'latin1')).trim() === '')
      findings.push('the first part is empty');
  } catch {
    findings.push('the first part is not valid UTF-8');
  }
  if (report.type !== 'message/delivery-status' && report.type !== 'message/global-delivery-status')
    findings.push(`the second part is ${report.type}`);
  findings.push(...judgeReport(report));
  if (original !== undefined) findings.push(...judgeOriginal(original));
  for (const part of parts) {
    if (all(part.fields, 'content-description').length !== 1) findings.push(`${part.type} has no Content-Description`);
    if (part.encoding === '7bit' && /[\x80-\xff]/.test(part.raw)) findings.push(`${part.type} says 7bit and is not`);
    if (
      part.encoding === 'quoted-printable' &&
      part.raw.split('\r\n').some((line) => line.length > 76 || /[ \t]$/.test(line) || /=(?![0-9A-F]{2}|$)/.test(line))
    ) {
      findings.push(`${part.type} is not proper quoted-printable`);
    }
  }
  return findings;
}

function judgeReport(report: MimePart): string[] {
  const findings: string[] = [];
  const global = report.type === 'message/global-delivery-status';
  if (!global && report.encoding !== '7bit') findings.push(`the report is ${report.encoding}, not 7bit`);
  if (!global && /[^\t\r\n\x20-\x7e]/.test(report.raw)) findings.push('the report is not ASCII');
  if (!report.content.endsWith('\r\n')) findings.push('the last report field has no CRLF');
  if (/\r\n\r\n$/.test(report.content) || /\r\n\r\n\r\n/.test(report.content))
    findings.push('an empty group in the report');
  const groups = report.content.replace(/\r\n$/, '').split('\r\n\r\n').map(reportFields);
  const [first, ...recipients] = groups;
  if (groups.some((group) => group === null) || first === undefined || first === null)
    return [...findings, 'the report has a line that is no field'];
  findings.push(...judgeOrder(first, MESSAGE_ORDER));
  if (!/^dns; [!-~]+$/.test(one(first, 'reporting-mta'))) findings.push('no Reporting-MTA');
  if (all(first, 'arrival-date').length > 0 && !DATE.test(one(first, 'arrival-date')))
    findings.push('Arrival-Date does not parse');
  if (recipients.length === 0) findings.push('no recipient');
  const actions = new Set(recipients.map((group) => one(group ?? [], 'action')));
  if (actions.size > 1) findings.push('several Actions in one report: Outlook shows only the worst');
  for (const group of recipients) if (group !== null) findings.push(...judgeRecipient(group, global));
  return findings;
}

function judgeRecipient(group: readonly (readonly [string, string])[], global: boolean): string[] {
  const findings = judgeOrder(group, RECIPIENT_ORDER);
  const value = (name: string) => one(group, name);
  const has = (name: string) => all(group, name).length > 0;
  if (!/^rfc822; [!-~](?:[ -~]*[!-~])?$|^utf-8; \S(?:.*\S)?$/.test(value('final-recipient')))
    findings.push(`Final-Recipient is ${value('final-recipient')}`);
  if (
    !global &&
    /^utf-8;/.test(value('final-recipient')) &&
    /(?:^|[^\\])\\(?!x\{(?:[89A-F][0-9A-F]|[1-9A-F][0-9A-F]{2,5}|10|20|2B|3D|5C|7F)\})/.test(value('final-recipient'))
  ) {
    findings.push('Final-Recipient is not in the form of RFC 6533 §3');
  }
  const classes = { failed: '45', delayed: '4', relayed: '2', delivered: '2' }[value('action')]; // §2.3.3, RFC 3463 §3
  if (classes === undefined) findings.push(`Action is ${value('action')}`);
  else if (!classes.includes(value('status').charAt(0)))
    findings.push(`${value('action')}, and of class ${value('status').charAt(0)}`);
  if (has('original-recipient') && !/^[A-Za-z0-9-]+; [ -~]+$/.test(value('original-recipient')) && !global)
    findings.push('Original-Recipient has no type, or is not ASCII (§2.3.1)');
  if (!/^[245]\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2})$/.test(value('status')))
    findings.push(`Status is ${value('status')}`);
  if (has('remote-mta') && !/^dns; [!-~]+$/.test(value('remote-mta'))) findings.push('Remote-MTA has no type or name');
  if (has('diagnostic-code') && !/^(?:smtp; [2-5]\d\d(?: |$)|X-Everpost; \S)/.test(value('diagnostic-code')))
    findings.push(`Diagnostic-Code is ${value('diagnostic-code').slice(0, 40)}`);
  if (has('remote-mta') && !value('diagnostic-code').startsWith('smtp;'))
    findings.push('a Remote-MTA without a reply of its own (§2.3.5)');
  if (value('diagnostic-code').length > 1_100) findings.push('Diagnostic-Code is too long');
  for (const name of ['last-attempt-date', 'will-retry-until'])
    if (has(name) && !DATE.test(value(name))) findings.push(`${name} does not parse`);
  if (has('will-retry-until') && value('action') !== 'delayed')
    findings.push('Will-Retry-Until without delayed (§2.3.9)');
  return findings;
}

function judgeOrder(group: readonly (readonly [string, string])[], order: readonly string[]): string[] {
  const findings: string[] = [];
  let reached = -1;
  for (const [name] of group) {
    const at = name.startsWith('x-') ? order.length : order.indexOf(name);
    if (at < 0) findings.push(KNOWN.has(name) ? `${name} stands in the wrong group` : `unknown field ${name}`);
    else if (at < reached || (at === reached && at < order.length))
      findings.push(`${name} is out of order or repeated`);
    reached = Math.max(reached, at);
  }
  return findings;
}

function judgeOriginal(part: MimePart): string[] {
  if (!['text/rfc822-headers', 'message/rfc822', 'message/global-headers', 'message/global'].includes(part.type))
    return [`the third part is ${part.type}`];
  const findings: string[] = [];
  if (part.type === 'message/rfc822' && part.encoding !== '7bit' && part.encoding !== '8bit')
    findings.push('message/rfc822 is encoded (RFC 2046 §5.2.1)');
  const head =
    part.type === 'message/rfc822' || part.type === 'message/global'
      ? part.content.split('\r\n\r\n')[0]
      : part.content.replace(/\r\n$/, '');
  const fields = parseFields(head ?? '');
  if (fields === null || fields.length === 0) return [...findings, 'the returned header section is none'];
  if (fields[0]?.[0] !== 'return-path' || all(fields, 'return-path').length !== 1)
    findings.push('not exactly one Return-Path, in front');
  for (const [name] of fields)
    if (/^(?:resent-)?bcc$|^x-everpost-/.test(name)) findings.push(`the returned header section shows ${name}`);
  return findings;
}

/** The notice taken apart; a line saying what is wrong where it cannot be. */
export function parseNotice(bytes: Uint8Array): ParsedNotice | string {
  const octets = Buffer.from(bytes).toString('latin1');
  const split = octets.indexOf('\r\n\r\n');
  const fields = split < 0 ? null : parseFields(octets.slice(0, split));
  if (fields === null) return 'no header section';
  const { type, parameters } = contentType(one(fields, 'content-type'));
  if (type !== 'multipart/report') return `${type} is not multipart/report`;
  if (parameters.get('report-type')?.toLowerCase() !== 'delivery-status') return 'report-type is not delivery-status';
  const boundary = parameters.get('boundary') ?? '';
  if (!/^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary))
    return 'the boundary is none (RFC 2046 §5.1.1)';
  const pieces = `\r\n${octets.slice(split + 4)}`.split(`\r\n--${boundary}`);
  if (pieces.length < 3) return 'no parts';
  if (pieces.at(-1) !== '--\r\n') return 'the final boundary is missing, or something follows it';
  const parts: MimePart[] = [];
  for (const piece of pieces.slice(1, -1)) {
    const end = piece.indexOf('\r\n\r\n');
    const partFields = end < 0 || !piece.startsWith('\r\n') ? null : parseFields(piece.slice(2, end));
    if (partFields === null) return 'a part has no header section';
    const raw = piece.slice(end + 4);
    const encoding = (one(partFields, 'content-transfer-encoding') || '7bit').toLowerCase();
    const content = encoding === 'quoted-printable' ? unquoted(raw) : raw;
    parts.push({ fields: partFields, ...contentType(one(partFields, 'content-type')), encoding, content, raw });
  }
  return { fields, parts };
}

/** Fields as lower-case name and unfolded value; null where a line is no field. */
function parseFields(section: string): [string, string][] | null {
  const fields: [string, string][] = [];
  for (const line of section.split('\r\n')) {
    const last = fields.at(-1);
    if (/^[ \t]/.test(line) && last !== undefined) {
      last[1] += line;
      continue;
    }
    const match = /^([!-9;-~]+)[ \t]*:(.*)$/s.exec(line);
    if (match === null) return null;
    fields.push([(match[1] ?? '').toLowerCase(), match[2] ?? '']);
  }
  return fields.map(([name, value]) => [name, value.trim()]);
}

function reportFields(group: string): [string, string][] | null {
  const fields = parseFields(group);
  return fields?.map(([name, value]) => [name, value.replace(/[ \t]+/g, ' ')]) ?? null;
}

function contentType(value: string): { type: string; parameters: Map<string, string> } {
  const [type = '', ...rest] = value.split(';');
  const parameters = new Map<string, string>();
  for (const pair of rest) {
    const match = /^\s*([^=\s]+)=(?:"(.*)"|(\S+))\s*$/.exec(pair);
    if (match !== null) parameters.set((match[1] ?? '').toLowerCase(), match[2] ?? match[3] ?? '');
  }
  return { type: type.trim().toLowerCase(), parameters };
}

function unquoted(raw: string): string {
  return raw
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function all(fields: readonly (readonly [string, string])[], name: string): string[] {
  return fields.filter(([field]) => field === name).map(([, value]) => value);
}

function one(fields: readonly (readonly [string, string])[], name: string): string {
  return all(fields, name)[0] ?? '';
}
