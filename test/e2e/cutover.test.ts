// `everpost dns cutover` against an emulated account: it gives the MX record once all else is right, keeps what stood
// there, and gives that again.

import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { dns } from '#cli/dns.ts';
import { Usage } from '#cli/exit.ts';
import { said } from '#test/integration/cli/instance.ts';
import { type DoctorAccount, GREETS, OPENS, openDoctorAccount, STACK, TAKES } from './doctor-account.ts';

const OURS = '10 inbound-smtp.eu-west-1.amazonaws.com';
let account: DoctorAccount;
let folder = '';
beforeAll(async () => {
  account = await openDoctorAccount();
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'everpost-cutover-'));
  await account.mend();
  account.records.set('example.org MX', ['10 old.example', '20 older.example']);
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
});
afterAll(() => account.close());

const kept = () => join(folder, 'mx.json');
const run = (...args: string[]) =>
  said(() => dns.run(['cutover', '--config', account.config, '--kept', kept(), ...args]));
const forward = (...args: string[]) => run('--stack', STACK, '--resolver', account.dns.address, ...args);

it('gives the record, what it replaces, and the way back', async () => {
  expect(await forward()).toEqual({
    code: 0,
    out: `; in place of: example.org. 300 IN MX 10 old.example.\n; in place of: example.org. 300 IN MX 20 older.example.\nexample.org. 300 IN MX ${OURS}.\n`,
  });
  account.records.set('example.org MX', [OURS]);
  expect((await forward()).code).toBe(0); // again: what stood there first is kept
  expect((await run('--back')).out).toBe(
    `; in place of: example.org. 300 IN MX ${OURS}.\nexample.org. 300 IN MX 10 old.example.\nexample.org. 300 IN MX 20 older.example.\n`,
  );
  const { Changes } = JSON.parse((await run('--back', '--route53')).out);
  expect(Changes).toMatchObject([
    {
      Action: 'UPSERT',
      ResourceRecordSet: {
        Name: 'example.org.',
        Type: 'MX',
        ResourceRecords: [{ Value: '10 old.example.' }, { Value: '20 older.example.' }],
      },
    },
  ]);
});
it('gives nothing while anything else is wrong, and says what', async () => {
  await account.serve(`${GREETS}S: 250 SIZE\nC: QUIT\nS: 221 bye`);
  expect(await forward('--yes')).toEqual({ code: 1, out: '' });
  expect(vi.mocked(process.stderr.write).mock.calls.join()).toMatch(/wrong {4}next-hop .*no record is given/s);
  expect(() => readFileSync(kept())).toThrow();
});
it('gives it although something is unknown only where it is told so', async () => {
  await account.serve(OPENS.replace('ESMTP', 'Microsoft ESMTP MAIL Service') + TAKES);
  expect(await forward()).toEqual({ code: 69, out: '' });
  await account.serve(OPENS.replace('ESMTP', 'Microsoft ESMTP MAIL Service') + TAKES);
  expect((await forward('--yes')).code).toBe(0);
});
it('removes its own record again where none stood there', async () => {
  account.records.delete('example.org MX');
  await forward();
  const { Changes } = JSON.parse((await run('--back', '--route53')).out);
  expect(Changes).toMatchObject([
    { Action: 'DELETE', ResourceRecordSet: { ResourceRecords: [{ Value: `${OURS}.` }] } },
  ]);
});
it('sets it in a hosted zone by the aws command', async () => {
  writeFileSync(join(folder, 'aws'), `#!/bin/sh\nprintf '%s\\n' "$@" > ${folder}/called\n`);
  chmodSync(join(folder, 'aws'), 0o755);
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
  expect((await forward('--zone', 'Z123')).code).toBe(0);
  const called = readFileSync(join(folder, 'called'), 'utf8').split('\n');
  expect(called.slice(0, 5)).toEqual([
    'route53',
    'change-resource-record-sets',
    '--hosted-zone-id',
    'Z123',
    '--change-batch',
  ]);
  expect(JSON.parse(called[5] ?? '')).toMatchObject({ Changes: [{ Action: 'UPSERT' }] });
});
it('refuses words that mean nothing', async () => {
  await expect(dns.run(['--back'])).rejects.toThrow(new Usage('--back means nothing without cutover'));
  await expect(dns.run(['cutovr'])).rejects.toThrow('dns takes "cutover" or nothing, and not "cutovr"');
  await expect(run('--back')).rejects.toThrow('cannot be read');
  await expect(forward('--domain', 'other.example')).rejects.toThrow('does not receive for "other.example"');
});
