// Judges a message that SES sent beside the one that was handed in: the body's own bytes, or another encoding of them
// that readers decode to the same; and a header section that says the same subject and holds no line that SES refuses.

import { fields, findHeaderEnd } from '#core/message/header.ts';
import { onTheWire } from '../e2e/arrival.ts';
import { shown } from '../judges/mime-reading.ts';

const LINE_OCTETS_MAX = 998;

export type SesFinding = { readonly reencoded: boolean; readonly findings: readonly string[] };

export async function judgeSes(sent: Uint8Array, arrived: Uint8Array): Promise<SesFinding> {
  const wire = onTheWire(sent);
  const findings: string[] = [];
  const lines = Buffer.from(arrived).toString('latin1').split('\r\n');
  if (lines.some((line) => line.length > LINE_OCTETS_MAX)) findings.push('a line is longer than SES takes');
  const section = Buffer.from(arrived).toString('latin1').split('\r\n\r\n')[0] ?? '';
  for (const line of section.split('\r\n'))
    if (!/^(?:[!-9;-~]+:|[ \t]+[^ \t])/.test(line)) findings.push(`no field: ${line}`);
  if (subjectOf(wire) !== subjectOf(arrived)) findings.push(`the subject became ${subjectOf(arrived)}`);
  const body = wire.subarray(findHeaderEnd(wire).bodyStart);
  const arrivedBody = Buffer.from(arrived.subarray(section.length + 4));
  // A last line without an end may get one on the way.
  const isSame = arrivedBody.equals(body) || Buffer.concat([arrivedBody, Buffer.from('\r\n')]).equals(body);
  if (isSame) return { reencoded: false, findings };
  const [before, after] = [JSON.stringify(await shown(wire)), JSON.stringify(await shown(arrived))];
  if (before !== after) findings.push('a reader shows something else');
  return { reencoded: true, findings };
}

function subjectOf(bytes: Uint8Array): string {
  const field = fields(bytes).find(({ name }) => name === 'subject');
  if (field === undefined) return '';
  const value = Buffer.from(bytes.subarray(field.valueStart, field.end)).toString('latin1');
  return value
    .replace(/[\r\n\0]/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}
