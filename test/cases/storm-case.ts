// The kind `storm`: many messages for a server that refuses our login. It counts the logins of an hour, has the secret
// mended, and asks that everything arrives within two minutes. By SMTP or LMTP, over a real socket, in virtual time.

import { withServer } from './case-pipeline.ts';
import { type Case, expected, type Faults, only } from './read-case.ts';

const WRONG = { username: 'u', password: 'wrong' };
const RIGHT = { username: 'u', password: 'right' };
const plain = ({ username, password }: typeof WRONG) => Buffer.from(`\0${username}\0${password}`).toString('base64');
const HOUR_MS = 3_600_000;
const MENDED_WITHIN_MS = 120_000;

export async function storm(it: Case): Promise<Faults> {
  only(it.given, ['messages', 'lmtp', 'expect'], it.name);
  const expect = expected(it, ['authsMax']);
  const messages = Number(it.given.messages ?? 30);
  let login = WRONG;
  const offers = '250-mx.test\n250 AUTH PLAIN';
  const server = {
    ...{ ehlo: offers, lhlo: offers, auth: '535 5.7.8 authentication failed' },
    rules: [[`^AUTH PLAIN ${plain(RIGHT).replaceAll('+', '\\+')}`, '235 2.7.0 ok']] as const,
  };
  const terms = { tls: 'off', lmtp: it.given.lmtp === true, auth: () => login } as const;
  return withServer(server, terms, null, async (pipeline, { said, took }) => {
    const { clock } = pipeline.pipeline;
    for (let i = 0; i < messages; i++)
      pipeline.receive(Buffer.from(`Subject: ${i}\r\n\r\nHello\r\n`), 'zoe@src.test', ['case@in.test'], `storm-${i}`);
    await pipeline.live(1);
    const faults: string[] = [];
    const auths = said.filter((line) => line.startsWith('AUTH')).length;
    const max = Number(expect.authsMax ?? Number.POSITIVE_INFINITY);
    if (auths > max || auths === 0) faults.push(`${auths} logins in an hour, and at most ${max} were expected`);
    if (took.length > 0) faults.push(`${took.length} messages were taken without a login`);
    const lost = pipeline.deliveries().filter(({ state }) => state !== 'queued' && state !== 'deferred');
    if (lost.length > 0) faults.push(`${lost.length} deliveries are ${lost[0]?.state} while the login is refused`);
    login = RIGHT;
    await pipeline.live(MENDED_WITHIN_MS / HOUR_MS);
    if (took.length !== messages)
      faults.push(
        `${took.length} of ${messages} messages arrived within two minutes (${new Date(clock.now()).toISOString()})`,
      );
    return faults;
  });
}
