// A self-signed certificate for the submission port, so that clients find STARTTLS there as at a deployed gateway.
// Called by submission-port.ts. It makes one for each data folder and keeps it, so that a client may pin it. It writes
// the X.509 (RFC 5280) itself because Node cannot. The certificate names this machine alone, and no deployed part uses
// it.

import { createPublicKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';

export type MadeCertificate = { readonly key: string; readonly cert: string };

const DAY = 24 * 3_600_000;
const LIFETIME = 3_650 * DAY;
const FILE = 'submission-tls.pem';

/**
 * The folder's certificate; a new one where there is none that can be used still. `now` is the machine's own clock:
 * clients look at theirs.
 */
export function certificateOf(folder: string, host: string, now: number): MadeCertificate {
  const path = join(folder, FILE);
  const kept = readKept(path, host, now);
  if (kept !== null) return kept;
  const made = makeCertificate(['localhost', host, '127.0.0.1'], now);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, `${made.cert}${made.key}`, { mode: 0o600 });
  return made;
}

function readKept(path: string, host: string, now: number): MadeCertificate | null {
  try {
    const text = readFileSync(path, 'utf8');
    const [cert = ''] = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n/.exec(text) ?? [];
    const [key = ''] = /-----BEGIN PRIVATE KEY-----[^-]*-----END PRIVATE KEY-----\n/.exec(text) ?? [];
    const read = new X509Certificate(cert);
    const usable = read.validToDate.getTime() > now + 30 * DAY && read.checkHost(host) !== undefined;
    return usable && read.publicKey.equals(createPublicKey(key)) ? { key, cert } : null;
  } catch {
    return null; // none yet, or damaged: another is made
  }
}

/** Of a fresh key (P-256), signed by itself with ECDSA and SHA-256. */
export function makeCertificate(names: readonly string[], now: number): MadeCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid('2a8648ce3d040302')); // ecdsa-with-SHA256
  const commonName = sequence(oid('550403'), der(0x0c, Buffer.from(names[0] ?? 'localhost')));
  const name = sequence(der(0x31, commonName));
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, without a leading zero
  const certificate = sequence(
    der(0xa0, der(0x02, Buffer.of(2))), // version 3
    der(0x02, serial),
    algorithm,
    name,
    sequence(time(now - DAY), time(now + LIFETIME)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(alternativeNames(names), authority())),
  );
  const signature = sign('sha256', certificate, privateKey);
  const whole = sequence(certificate, algorithm, der(0x03, Buffer.of(0), signature));
  const lines = whole.toString('base64').replace(/.{1,64}/g, '$&\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** RFC 5280 §4.2.1.6 */
function alternativeNames(names: readonly string[]): Buffer {
  const each = [...new Set(names)].map((name) =>
    isIPv4(name) ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name)),
  );
  return sequence(oid('551d11'), der(0x04, sequence(...each)));
}

/** RFC 5280 §4.2.1.9: its own authority, so that a client can be set to trust it. */
function authority(): Buffer {
  return sequence(oid('551d13'), der(0x01, Buffer.of(0xff)), der(0x04, sequence(der(0x01, Buffer.of(0xff)))));
}

/** GeneralizedTime is for 2050 and later; ours ends before (RFC 5280 §4.1.2.5). */
function time(instant: number): Buffer {
  const digits = new Date(instant).toISOString().replace(/\.\d+|[-:T]/g, '');
  return instant < Date.UTC(2050) ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts);
}

/** Tag, length, value (X.690 §8.1). */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  if (value.length < 0x80) return Buffer.concat([Buffer.of(tag, value.length), value]);
  const hex = value.length.toString(16);
  const length = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length), length, value]);
}
