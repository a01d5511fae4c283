// The certificate that the local submission port shows: clients of OpenSSL take it, it is kept over restarts, and a
// damaged one is replaced.

import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { certificateOf } from '#local/certificate.ts';

const NOW = Date.now();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'everpost-certificate-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('serves TLS under the names of this machine, to who trusts it', async () => {
  const made = certificateOf(folder, 'mail.example.com', NOW);
  const server = createServer(made, (socket) => socket.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  for (const servername of ['localhost', 'mail.example.com']) {
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', servername, ca: made.cert }, () => socket.on('data', String));
      socket.once('data', (bytes) => resolve(String(bytes))).once('error', reject);
    });
    expect(text).toBe('hello');
  }
  server.close();
  const read = new X509Certificate(made.cert);
  expect([read.checkIP('127.0.0.1'), read.verify(read.publicKey), read.ca]).toEqual(['127.0.0.1', true, true]);
});

it('is kept, readable by nobody else, and made anew where it is damaged, too old or of another name', () => {
  const first = certificateOf(folder, 'example.com', NOW);
  const path = join(folder, 'submission-tls.pem');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(certificateOf(folder, 'example.com', NOW)).toEqual(first);
  const renewed = certificateOf(folder, 'other.example', NOW);
  expect(renewed.cert).not.toBe(first.cert);
  const later = certificateOf(folder, 'other.example', NOW + 3_640 * 86_400_000);
  expect(later.cert).not.toBe(renewed.cert);
  writeFileSync(path, readFileSync(path, 'utf8').slice(0, 400));
  expect(certificateOf(folder, 'other.example', NOW).cert).not.toBe(later.cert);
});
