// Judges what arrived beside what was sent: the message's own bytes at the end, and above them nothing but the fields
// that the way through Everpost may put there. Written for SMTP: a bare CR or LF leaves as CRLF, and a last line
// without an end gets one.

/** A last line without CRLF gets one from the client; bare CR and LF leave as CRLF (RFC 5321 §2.3.8). */
export function onTheWire(content: Uint8Array): Buffer {
  const text = Buffer.from(content).toString('latin1');
  return Buffer.from((text.endsWith('\r\n') ? text : `${text}\r\n`).replace(/\r\n|\r|\n/g, '\r\n'), 'latin1');
}

/**
 * The message as every next hop gets it: without X-SES-* fields, and without Authentication-Results in the name of SES
 * or of the tests' own domain, which only SES may have put above it.
 */
export function asRelayed(content: Uint8Array): Buffer {
  const text = onTheWire(content).toString('latin1');
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n') + 2;
  const section = end === 1 ? text : text.slice(0, end);
  const forged =
    /^(?:x-ses-[^:\r\n]*|authentication-results[ \t]*:\s*(?:\([^()]*\)\s*)?(?:amazonses\.com|(?:[\w-]+\.)*example\.com)[\s;])[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/gim;
  return Buffer.from(section.replace(forged, '') + text.slice(section.length), 'latin1');
}

/** Ours, then those that SES puts in front of every message it stores. */
export const prependedFields = [
  'received',
  'x-everpost-pass',
  'received',
  'x-ses-spam-verdict',
  'x-ses-virus-verdict',
  'received-spf',
  'authentication-results',
  'x-ses-receipt',
  'x-ses-dkim-signature',
];

/** Of mail from our side: ours alone. */
export const submittedFields = ['received', 'x-everpost-pass'];

/**
 * The deviations, one line each. `above` are names of fields that servers behind Everpost put on top of it, in their
 * order; the warning of a possible duplicate, which an attempt whose result was lost leaves, is allowed where it
 * belongs.
 */
export function deviations(
  sent: Uint8Array,
  arrived: Uint8Array,
  above: readonly string[] = [],
  ours: readonly string[] = prependedFields,
): string[] {
  const expected = asRelayed(sent);
  const got = Buffer.from(arrived);
  const at = got.length - expected.length;
  if (at < 0) return [`${-at} bytes are missing`];
  if (!got.subarray(at).equals(expected)) return [`the bytes differ: ${firstDifference(expected, got)}`];
  const names = fieldNames(got.subarray(0, at)).filter((name) => name !== 'x-everpost-possible-duplicate');
  const wanted = [...above, ...ours];
  return names.join() === wanted.join() ? [] : [`put in front: ${names.join(', ')}; allowed: ${wanted.join(', ')}`];
}

function fieldNames(section: Buffer): string[] {
  const unfolded = section.toString('latin1').replace(/\r\n[ \t]/g, ' ');
  return unfolded
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => /^([!-9;-~]+):/.exec(line)?.[1]?.toLowerCase() ?? `(no field: ${line.slice(0, 60)})`);
}

/** Read from the end, where the message's own bytes must be. */
function firstDifference(expected: Buffer, got: Buffer): string {
  let back = 1;
  while (back <= expected.length && expected[expected.length - back] === got[got.length - back]) back += 1;
  const show = (bytes: Buffer) => {
    const from = Math.max(0, bytes.length - back - 30);
    return JSON.stringify(bytes.subarray(from, bytes.length - back + 20).toString('latin1'));
  };
  return `${back - 1} bytes before the end, expected ${show(expected)}, found ${show(got)}`;
}
